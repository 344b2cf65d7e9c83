//! temporary
pub struct Planes<'a> {
    pub width: usize,
    pub height: usize,
    pub y: &'a [u8],
    pub u: &'a [u8],
    pub v: &'a [u8],
    pub y_stride: usize,
    pub uv_stride: usize,
}
pub struct PlanesMut<'a> {
    pub width: usize,
    pub height: usize,
    pub y: &'a mut [u8],
    pub u: &'a mut [u8],
    pub v: &'a mut [u8],
    pub y_stride: usize,
    pub uv_stride: usize,
}
pub mod note {
    use super::*;
    pub fn waiting(p: &mut PlanesMut) {
        p.y.fill(30);
        p.u.fill(128);
        p.v.fill(128);
    }
    pub fn reconnecting(_f: &Planes, p: &mut PlanesMut) {
        waiting(p)
    }
}
pub mod testcard {
    use super::*;
    use crate::units::FrameRate;
    pub struct TestCard;
    impl TestCard {
        pub fn new(_: u32, _: u32, _: FrameRate) -> Self {
            Self
        }
        pub fn draw(&mut self, f: u64, _u: u64, p: &mut PlanesMut) {
            for (i, b) in p.y.iter_mut().enumerate() {
                *b = ((i as u64 + f * 3) % 200) as u8 + 16;
            }
            p.u.fill(128);
            p.v.fill(128);
        }
    }
}
pub mod beep {
    pub struct Beep;
    impl Beep {
        pub fn new() -> Self {
            Self
        }
        pub fn fill(&mut self, _: u64, s: &mut [i16]) {
            s.fill(0)
        }
    }
}
