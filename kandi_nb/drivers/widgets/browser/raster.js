// raster.js
