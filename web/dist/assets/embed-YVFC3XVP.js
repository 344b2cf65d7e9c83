import{c as e}from"./chunk-BBRSEBFZ.js";import"./chunk-NVV44TIF.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
