//! What a worker says of its decoders.

use super::*;
use crate::base::names::NAME_CHARS_MAX;
use crate::wire::protocol::Trouble;

#[tokio::test]
async fn a_decoder_that_takes_over_is_shown_with_the_cause() {
    let mut rig = Rig::push(LONG);
    let (lease, mut worker) = rig.live().await;
    let says = |decoder: &str, trouble| FromWorker::Decoding {
        decoder: decoder.to_owned(),
        trouble,
    };
    worker.say(says("nvh264dec", None)).await;
    let first = rig.until(|status| status.decoder.is_some()).await;
    assert_eq!(first.decoder.unwrap(), "nvh264dec");
    assert_eq!(first.last_error, None);
    let (cause, next) = ("decoder nvh264dec failed: no".into(), "it\nrests".into());
    let trouble = Trouble { cause, next };
    worker.say(says("nvh264dec", Some(trouble))).await;
    let failed = rig.until(|status| status.last_error.is_some()).await;
    let error = failed.last_error.unwrap();
    assert_eq!(error, "decoder nvh264dec failed: no; it rests");
    // The last picture is the old decoder's until the other one gives one.
    assert_eq!(failed.decoder.unwrap(), "nvh264dec");
    worker.say(says(&"x".repeat(5000), None)).await;
    let other = |status: &StreamStatus| status.decoder.as_deref() != Some("nvh264dec");
    let decoder = rig.until(other).await.decoder.unwrap();
    assert_eq!(decoder, "x".repeat(NAME_CHARS_MAX));
    worker.makes(2).await;
    rig.recorder.last("part 2.0").await;
    assert_eq!(rig.recorder.log(), ["open cam", "part 1.0", "part 2.0"]);
    assert!(!lease.revoked.is_revoked());
}
