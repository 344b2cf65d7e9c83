//! What colours a source's pictures have on the canvas, through the whole chain that fits them.

use gst_app::{AppSink, AppSrc};
use gst_video::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use crate::worker::media::caps;
use crate::worker::media::template::{Kind, Library, Values};

type Rgb = [f64; 3];

/// Largest error of a colour that nobody notices.
const ERROR_MAX: f64 = 6.0;
const COLOURS: [Rgb; 8] = [
    [191.0, 191.0, 191.0],
    [255.0, 255.0, 255.0],
    [0.0, 0.0, 0.0],
    [12.0, 12.0, 12.0],
    [200.0, 40.0, 30.0],
    [30.0, 180.0, 60.0],
    [40.0, 50.0, 220.0],
    [230.0, 200.0, 40.0],
];
const SD: (u32, u32) = (320, 180);
const HD: (u32, u32) = (1280, 720);

/// Weights of red and blue in luma (Rec. ITU-T H.273, table 4).
#[derive(Debug, Clone, Copy)]
struct Matrix {
    red: f64,
    blue: f64,
}

const BT601: Matrix = Matrix {
    red: 0.299,
    blue: 0.114,
};
const BT709: Matrix = Matrix {
    red: 0.2126,
    blue: 0.0722,
};
const BT2020: Matrix = Matrix {
    red: 0.2627,
    blue: 0.0593,
};

/// How a source codes its colours, and what it says of them.
#[derive(Debug, Clone, Copy)]
struct Source {
    format: VideoFormat,
    size: (u32, u32),
    matrix: Matrix,
    full: bool,
    said: Option<&'static str>,
}

impl Source {
    fn video(format: VideoFormat) -> Self {
        Self {
            format,
            size: SD,
            matrix: BT709,
            full: false,
            said: Some("bt709"),
        }
    }

    fn info(self) -> VideoInfo {
        let (width, height) = self.size;
        let info = VideoInfo::builder(self.format, width, height).fps((30, 1));
        let info = match self.said {
            Some(said) => info.colorimetry(&said.parse().unwrap()).build(),
            None => info.build(),
        };
        info.unwrap()
    }

    fn caps(self) -> gst::Caps {
        let mut caps = self.info().to_caps().unwrap();
        let structure = caps.make_mut().structure_mut(0).unwrap();
        match self.said {
            Some(said) => structure.set("colorimetry", said),
            None => structure.remove_field("colorimetry"),
        }
        caps
    }

    /// A picture of one colour.
    fn picture(self, colour: Rgb) -> gst::Buffer {
        let info = self.info();
        let buffer = gst::Buffer::with_size(info.size()).unwrap();
        let mut frame = gst_video::VideoFrame::from_buffer_writable(buffer, &info).unwrap();
        let depth = info.comp_depth(0);
        let values = match info.format_info().is_rgb() {
            true => colour.map(|value| value.round() as u16),
            false => self.coded(colour, depth),
        };
        for (component, value) in (0..info.n_components() as u8).zip(values) {
            let plane = info.comp_plane(component);
            let (offset, step) = (info.comp_poffset(component), info.comp_pstride(component));
            let bytes = value.to_le_bytes();
            let bytes = &bytes[..if depth > 8 { 2 } else { 1 }];
            let data = frame.plane_data_mut(plane).unwrap();
            for pixel in data[offset as usize..].chunks_mut(step as usize) {
                for (to, from) in pixel.iter_mut().zip(bytes) {
                    *to = *from;
                }
            }
        }
        let mut buffer = frame.into_buffer();
        buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
        buffer
    }

    /// Luma and chroma of a colour (Rec. ITU-T H.273, equations 29 to 40).
    fn coded(self, [r, g, b]: Rgb, depth: u32) -> [u16; 3] {
        let Matrix { red, blue } = self.matrix;
        let y = red * r + (1.0 - red - blue) * g + blue * b;
        let (u, v) = ((b - y) / (2.0 - 2.0 * blue), (r - y) / (2.0 - 2.0 * red));
        let unit = f64::from(1 << (depth - 8));
        let top = f64::from((1 << depth) - 1);
        let middle = 128.0 * unit;
        let values = match self.full {
            true => [
                y / 255.0 * top,
                middle + u / 255.0 * top,
                middle + v / 255.0 * top,
            ],
            false => [
                (16.0 + y / 255.0 * 219.0) * unit,
                middle + u / 255.0 * 224.0 * unit,
                middle + v / 255.0 * 224.0 * unit,
            ],
        };
        values.map(|value| value.round().clamp(0.0, top) as u16)
    }

    /// The colours as they are on the canvas.
    fn fitted(self, colours: &[Rgb]) -> Vec<Rgb> {
        crate::worker::media::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let source = AppSrc::builder()
            .caps(&self.caps())
            .format(gst::Format::Time)
            .build();
        let (width, height) = self.size;
        let sink = AppSink::builder()
            .sync(false)
            .caps(&caps::picture(width, height).build())
            .build();
        let (library, _) = Library::load(None);
        let chain = library
            .build_kind(Kind::VideoFit, &Values::default())
            .unwrap();
        pipeline
            .add_many([source.upcast_ref::<gst::Element>(), sink.upcast_ref()])
            .unwrap();
        let (first, last) = chain.add_to(pipeline.upcast_ref()).unwrap();
        source.link(&first).unwrap();
        last.link(&sink).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        let pass = |colour: &Rgb| {
            source.push_buffer(self.picture(*colour)).unwrap();
            let got = sink.try_pull_sample(gst::ClockTime::from_seconds(10));
            shown(&got.unwrap_or_else(|| panic!("{self:?} is shown")))
        };
        let all = colours.iter().map(pass).collect();
        pipeline.set_state(gst::State::Null).unwrap();
        all
    }
}

/// The colour in the middle of a picture of the canvas, which is BT.709 in video range.
fn shown(sample: &gst::Sample) -> Rgb {
    let info = VideoInfo::from_caps(sample.caps().unwrap()).unwrap();
    let frame = gst_video::VideoFrameRef::from_buffer_ref_readable(sample.buffer().unwrap(), &info)
        .unwrap();
    let at = |plane: u32| {
        let (x, y) = (frame.comp_width(plane) / 2, frame.comp_height(plane) / 2);
        let stride = frame.plane_stride()[plane as usize] as u32;
        f64::from(frame.plane_data(plane).unwrap()[(y * stride + x) as usize])
    };
    let y = (at(0) - 16.0) / 219.0 * 255.0;
    let (u, v) = [at(1), at(2)].map(|c| (c - 128.0) / 224.0 * 255.0).into();
    let Matrix { red, blue } = BT709;
    let (r, b) = (y + (2.0 - 2.0 * red) * v, y + (2.0 - 2.0 * blue) * u);
    let g = (y - red * r - blue * b) / (1.0 - red - blue);
    [r, g, b].map(|value| value.clamp(0.0, 255.0))
}

fn assert_true_colours(source: Source, colours: &[Rgb]) {
    for (sent, got) in colours.iter().zip(source.fitted(colours)) {
        let error = sent.iter().zip(got).map(|(a, b)| (a - b).abs());
        let error = error.fold(0.0, f64::max);
        assert!(
            error <= ERROR_MAX,
            "{source:?}: {sent:.0?} became {got:.0?}"
        );
    }
}

/// What phones, cameras and encoders say of their colours. HD without a word is BT.709, SD is
/// BT.601.
#[test]
fn colours_are_true_in_every_range_and_matrix() {
    for (matrix, full, said, size) in [
        (BT709, true, Some("1:3:5:1"), SD),
        (BT709, true, Some("1:3:0:0"), HD),
        (BT601, true, Some("1:0:0:0"), SD),
        (BT709, true, Some("1:0:0:0"), HD),
        (BT601, true, Some("1:4:0:0"), SD),
        (BT601, true, Some("1:4:0:0"), HD),
        (BT601, false, Some("bt601"), SD),
        (BT709, false, Some("bt709"), HD),
        (BT601, false, Some("2:0:0:0"), SD),
        (BT709, false, Some("2:0:0:0"), HD),
        (BT601, false, None, SD),
        (BT709, false, None, HD),
    ] {
        let source = Source {
            format: VideoFormat::I420,
            size,
            matrix,
            full,
            said,
        };
        assert_true_colours(source, &COLOURS);
    }
}

#[test]
fn every_format_of_a_decoder_is_shown_in_true_colours() {
    use VideoFormat as F;
    for format in [
        F::I420,
        F::Yv12,
        F::Nv12,
        F::Y42b,
        F::Y444,
        F::I42010le,
        F::I42210le,
        F::Y44410le,
    ] {
        let limited = Source::video(format);
        assert_true_colours(limited, &COLOURS);
        let full = Source {
            full: true,
            said: Some("1:3:5:1"),
            ..limited
        };
        assert_true_colours(full, &COLOURS);
    }
    let grey = Source {
        full: true,
        said: Some("1:4:0:0"),
        ..Source::video(F::Gray8)
    };
    assert_true_colours(grey, &COLOURS[..4]);
    let coded_as_rgb = Source {
        said: Some("1:1:0:0"),
        ..Source::video(F::Gbr)
    };
    assert_true_colours(coded_as_rgb, &COLOURS);
    let wide = Source {
        matrix: BT2020,
        said: Some("bt2020-10"),
        ..Source::video(F::I42010le)
    };
    assert_true_colours(wide, &COLOURS[..4]);
}
