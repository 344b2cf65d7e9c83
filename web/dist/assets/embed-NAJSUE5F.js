import{c as e}from"./chunk-DAVHGXQ4.js";import"./chunk-OPBBGYE3.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
