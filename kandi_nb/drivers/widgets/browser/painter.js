// painter.js
export default { render() {} };
