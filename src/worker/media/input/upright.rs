//! Avoids the copy of pictures that are upright already.

use gst::prelude::*;
use gst_base::prelude::*;
use gst_video::VideoOrientationMethod as Direction;

/// Makes `videoflip` pass upright pictures on without a copy.
///
/// `videoflip` (GStreamer 1.22 to 1.26) switches to pass-through only when its direction changes,
/// and it begins with the direction for upright pictures: it would copy every one. A tag that asks
/// for another direction still makes it turn pictures.
pub fn spare_copies(chain: &[gst::Element]) {
    let flips = chain.iter().filter(|element| {
        element
            .factory()
            .is_some_and(|factory| factory.name() == "videoflip")
    });
    for flip in flips {
        let direction = flip.property::<Direction>("video-direction");
        if let (Direction::Auto | Direction::Identity, Some(flip)) =
            (direction, flip.downcast_ref::<gst_base::BaseTransform>())
        {
            flip.set_passthrough(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use gst_app::{AppSink, AppSrc};

    use super::*;
    use crate::worker::media::caps;
    use crate::worker::media::template::{Kind, Library, Values};

    struct Fitted {
        pipeline: gst::Pipeline,
        source: AppSrc,
        sink: AppSink,
    }

    /// A running video-fit chain, from 320x180 to a canvas of `width` x `height`.
    fn fitted(width: u32, height: u32) -> Fitted {
        crate::worker::media::init().unwrap();
        let pipeline = gst::Pipeline::new();
        let source = AppSrc::builder()
            .caps(
                &caps::picture(320, 180)
                    .field("framerate", gst::Fraction::new(30, 1))
                    .build(),
            )
            .format(gst::Format::Time)
            .build();
        let sink = AppSink::builder()
            .sync(false)
            .caps(&caps::picture(width, height).build())
            .build();
        let (library, _) = Library::load(None);
        let chain = library
            .build_kind(Kind::VideoFit, &Values::default())
            .unwrap();
        spare_copies(chain.elements());
        pipeline
            .add_many([source.upcast_ref::<gst::Element>(), sink.upcast_ref()])
            .unwrap();
        let (first, last) = chain.add_to(pipeline.upcast_ref()).unwrap();
        source.link(&first).unwrap();
        last.link(&sink).unwrap();
        pipeline.set_state(gst::State::Playing).unwrap();
        Fitted {
            pipeline,
            source,
            sink,
        }
    }

    impl Fitted {
        /// Sends a picture whose left half is bright; returns that picture and the one that comes out.
        fn pass(&self) -> (gst::Buffer, gst::Buffer) {
            let mut bytes = vec![128u8; 320 * 180 * 3 / 2];
            for row in bytes[..320 * 180].chunks_mut(320) {
                row[..160].fill(200);
                row[160..].fill(40);
            }
            let mut buffer = gst::Buffer::from_mut_slice(bytes);
            buffer.get_mut().unwrap().set_pts(gst::ClockTime::ZERO);
            self.source.push_buffer(buffer.clone()).unwrap();
            let out = self
                .sink
                .try_pull_sample(gst::ClockTime::from_seconds(10))
                .unwrap();
            (buffer, out.buffer_owned().unwrap())
        }
    }

    impl Drop for Fitted {
        fn drop(&mut self) {
            self.pipeline.set_state(gst::State::Null).unwrap();
        }
    }

    #[test]
    fn an_upright_picture_is_not_copied() {
        let (sent, got) = fitted(320, 180).pass();
        let memory = |buffer: &gst::Buffer| buffer.map_readable().unwrap().as_ptr();
        assert_eq!(memory(&sent), memory(&got));
    }

    #[test]
    fn a_picture_that_lies_on_its_side_is_turned() {
        let fitted = fitted(180, 320);
        let mut tags = gst::TagList::new();
        tags.get_mut()
            .unwrap()
            .add::<gst::tags::ImageOrientation>(&"rotate-90", gst::TagMergeMode::Replace);
        fitted.source.send_event(gst::event::Tag::new(tags));
        let (_, got) = fitted.pass();
        let map = got.map_readable().unwrap();
        // Turned clockwise: the left half is at the top.
        assert!(map[180 * 20 + 90] > 180, "{}", map[180 * 20 + 90]);
        assert!(map[180 * 300 + 90] < 60, "{}", map[180 * 300 + 90]);
    }
}
