// mixer.js
export default { render() {} };
