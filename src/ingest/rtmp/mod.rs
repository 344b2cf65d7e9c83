//! RTMP, the server side of a publisher.
