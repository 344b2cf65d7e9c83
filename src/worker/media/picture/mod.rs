//! Pure drawing on planar 8-bit 4:2:0 pictures (I420, video range, BT.709): the test signal, and
//! the notes that viewers see while there is no input.

pub mod barcode;
pub mod beep;
pub mod note;
pub mod planes;
pub mod testcard;
mod text;
mod texture;
