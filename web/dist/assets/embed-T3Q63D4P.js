import{c as e}from"./chunk-VMFFS3XI.js";import"./chunk-46BHZKD4.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
