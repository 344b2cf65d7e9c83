//! Tests encoders and decoders: each really processes a few frames, or says why it cannot.

use std::time::Duration;

use gst::prelude::*;
use gst_app::AppSink;

use super::caps;
use super::output::encoder_values;
use super::template::{self, Body, Kind, Library, Template, Values, Variable};
use crate::base::units::{Bitrate, FrameRate};
use crate::model::encoder::{Family, TemplateName};
use crate::model::ladder::VideoRendition;
use crate::wire::probe::{self, Candidate, Listing};

/// Longest time for one test. An encoder that hangs counts as one that does not work.
const TEST_MAX: Duration = Duration::from_secs(8);
/// Number of frames that are encoded: more than any lookahead.
const FRAMES: i32 = 30;

/// Lists what the library holds, and the `errors` found while loading it.
pub fn list(library: &Library, errors: &[template::Error]) -> Listing {
    let kinds = [
        (Kind::VideoEncoder, probe::Kind::VideoEncoder),
        (Kind::AudioEncoder, probe::Kind::AudioEncoder),
        (Kind::Decoder, probe::Kind::Decoder),
    ];
    let of = |(made, kind): (Kind, probe::Kind)| {
        library.of_kind(made).map(move |template| Candidate {
            template: template.name.clone(),
            family: family(&template.body),
            kind,
            hardware: template.body.hardware,
        })
    };
    let own = library.iter().filter(|template| !template.is_shipped());
    Listing {
        candidates: kinds.into_iter().flat_map(of).collect(),
        own: own.map(|template| template.name.clone()).collect(),
        mistakes: errors.iter().map(ToString::to_string).collect(),
    }
}

fn family(body: &Body) -> Family {
    let codec = || body.codec.clone().map(Family::from);
    body.family.clone().or_else(codec).unwrap_or_default()
}

/// Tests one template.
///
/// # Errors
/// Why the template does not work.
pub fn test(library: &Library, name: &TemplateName) -> Result<(), String> {
    let template = library
        .get(name)
        .ok_or_else(|| format!("no template `{name}`"))?;
    match template.body.kind {
        Kind::VideoEncoder => encode(template),
        Kind::AudioEncoder => run(
            &format!("audiotestsrc num-buffers={FRAMES} samplesperbuffer=1024"),
            &caps::samples(),
            &[template],
            &Values::default().with(Variable::BitrateBps, 96_000),
        ),
        Kind::Decoder => decode(library, template),
        _ => template::build(template, &Values::default())
            .map(drop)
            .map_err(|e| e.to_string()),
    }
}

fn test_rendition() -> VideoRendition {
    VideoRendition {
        name: "test".to_owned(),
        width: 640,
        height: 360,
        divisor: 1,
        bitrate: Bitrate::from_bps(800_000),
        audio: 0,
    }
}

fn picture_source() -> (String, gst::Caps) {
    let caps = caps::picture(640, 360)
        .field("framerate", caps::fraction(FrameRate::whole(30)))
        .build();
    (format!("videotestsrc num-buffers={FRAMES}"), caps)
}

fn encode(template: &Template) -> Result<(), String> {
    let (source, caps) = picture_source();
    let values = encoder_values(&test_rendition(), FrameRate::whole(30));
    run(&source, &caps, &[template], &values)
}

/// Tests a decoder with the output of a software encoder of this machine.
fn decode(library: &Library, template: &Template) -> Result<(), String> {
    let (kind, source, caps) = match template.body.codec.as_deref() {
        Some("h264") => {
            let (source, caps) = picture_source();
            (Kind::VideoEncoder, source, caps)
        }
        Some("aac") => {
            let source = format!("audiotestsrc num-buffers={FRAMES} samplesperbuffer=1024");
            (Kind::AudioEncoder, source, caps::samples())
        }
        // weir has no encoder for this codec, so the test can only build the decoder's elements.
        _ => {
            return template::build(template, &Values::default())
                .map(drop)
                .map_err(|e| e.to_string());
        }
    };
    let values = encoder_values(&test_rendition(), FrameRate::whole(30));
    let software = library.of_kind(kind).filter(|t| !t.body.hardware);
    let mut reason = "no encoder to test it with".to_owned();
    for encoder in software {
        match run(&source, &caps, &[encoder, template], &values) {
            Ok(()) => return Ok(()),
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// Runs frames of `source` through the templates and expects most of them at the end.
fn run(
    source: &str,
    caps: &gst::Caps,
    templates: &[&Template],
    values: &Values,
) -> Result<(), String> {
    let pipeline = gst::Pipeline::new();
    let outcome = connect(&pipeline, source, caps, templates, values).and_then(|sink| {
        pipeline
            .set_state(gst::State::Playing)
            .map_err(|_| "does not start".to_owned())?;
        count(&pipeline, &sink)
    });
    let _ = pipeline.set_state(gst::State::Null);
    outcome
}

fn connect(
    pipeline: &gst::Pipeline,
    source: &str,
    caps: &gst::Caps,
    templates: &[&Template],
    values: &Values,
) -> Result<AppSink, String> {
    // This launch line is weir's only one. It contains constants of this file and no outside value.
    let source = gst::parse::bin_from_description(source, true).map_err(|e| e.to_string())?;
    pipeline.add(&source).map_err(|e| e.to_string())?;
    let filter = super::element::add_filter(pipeline, caps, "probe").map_err(|e| e.to_string())?;
    source.link(&filter).map_err(|e| e.to_string())?;
    let mut last = filter;
    for template in templates {
        let chain = template::build(template, values).map_err(|e| e.to_string())?;
        let (first, end) = chain
            .add_to(pipeline.upcast_ref())
            .map_err(|e| e.to_string())?;
        last.link(&first).map_err(|e| e.to_string())?;
        last = end;
    }
    let sink = AppSink::builder().sync(false).build();
    pipeline.add(&sink).map_err(|e| e.to_string())?;
    last.link(&sink).map_err(|e| e.to_string())?;
    Ok(sink)
}

fn count(pipeline: &gst::Pipeline, sink: &AppSink) -> Result<(), String> {
    let deadline = std::time::Instant::now() + TEST_MAX;
    let mut frames = 0;
    while let Some(left) = deadline.checked_duration_since(std::time::Instant::now()) {
        let wait = gst::ClockTime::from_nseconds(u64::try_from(left.as_nanos()).unwrap_or(0));
        match sink.try_pull_sample(wait) {
            Some(_) => frames += 1,
            None if sink.is_eos() => break,
            None => {
                return Err(error_of(pipeline).unwrap_or_else(|| "made no output in time".into()));
            }
        }
        if frames >= FRAMES / 2 {
            return Ok(());
        }
    }
    match error_of(pipeline) {
        Some(reason) => Err(reason),
        None => Err(format!("gave {frames} of {FRAMES} frames")),
    }
}

fn error_of(pipeline: &gst::Pipeline) -> Option<String> {
    let message = pipeline.bus()?.pop_filtered(&[gst::MessageType::Error])?;
    match message.view() {
        gst::MessageView::Error(error) => Some(error.error().to_string()),
        _ => None,
    }
}
