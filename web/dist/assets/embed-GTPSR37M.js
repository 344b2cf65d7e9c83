import{d as e}from"./chunk-3GMWI57N.js";import"./chunk-B4AIY7RW.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
