import{d as e}from"./chunk-MCCOBZOE.js";import"./chunk-FF7BTALT.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
