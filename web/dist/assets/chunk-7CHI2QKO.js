function t(i){let{buffered:n,currentTime:r}=i;for(let e=0;e<n.length;e++)if(n.start(e)<=r+.1&&r<n.end(e))return n.end(e)-r;return 0}export{t as a};
