import{e as m}from"./chunk-LIFQGWZW.js";m();
