//! Pure: drawing on planar pictures.
