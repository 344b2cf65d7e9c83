import{d as e}from"./chunk-FDSMG75F.js";import"./chunk-LEHVZYFA.js";var a=e();new URLSearchParams(location.search).has("muted")&&(a.video.muted=!0);
