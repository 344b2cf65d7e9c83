//! The web side over real sockets, with stubs for the sessions and the origin.

#[cfg(test)]
mod bounds;
#[cfg(test)]
mod client;
#[cfg(test)]
mod http2;
#[cfg(test)]
mod media;
#[cfg(test)]
mod pages;
#[cfg(test)]
mod playlists;
#[cfg(test)]
mod stub;
