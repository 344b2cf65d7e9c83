import{d as e}from"./chunk-T4ZJR4DA.js";import"./chunk-QI4ODOH4.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
