//! Reads arbitrary bytes as the body of a camera: no panic, no endless loop, bounded pictures, and the
//! same pictures whatever pieces the body comes in. The first byte says how long the pieces are.

use weir::worker::media::input::http::multipart::Multipart;

/// Runs one input.
pub fn run(bytes: &[u8]) {
    let Some((&length, body)) = bytes.split_first() else {
        return;
    };
    let whole = pictures(std::iter::once(body));
    let pieces = pictures(body.chunks(usize::from(length).max(1)));
    assert_eq!(whole, pieces);
    let total: usize = whole.iter().map(Vec::len).sum();
    assert!(total <= body.len(), "no byte belongs to two pictures");
}

fn pictures<'a>(pieces: impl Iterator<Item = &'a [u8]>) -> Vec<Vec<u8>> {
    let mut reader = Multipart::default();
    let mut found = Vec::new();
    for mut piece in pieces {
        loop {
            match reader.read(&mut piece) {
                Ok(Some(picture)) => {
                    assert!(picture.starts_with(&[0xFF, 0xD8]) && picture.ends_with(&[0xFF, 0xD9]));
                    found.push(picture);
                }
                Ok(None) => break,
                Err(_) => return found,
            }
        }
        assert!(piece.is_empty());
    }
    found
}
