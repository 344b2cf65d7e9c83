//! What a worker is replaced for.

/// Why a worker is not believed. The text is the cause in the log and in the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its plan is none that the ladder can make of the stream's rungs.
    #[error("worker sent a plan that the ladder cannot make of its rungs")]
    BadPlan,
    /// It planned a second time.
    #[error("worker planned twice")]
    PlannedTwice,
    /// It names an encoder that it was not offered, or not one for each rendition.
    #[error("worker uses encoders that it was not offered")]
    BadEncoders,
    /// Its part target does not follow from the plan.
    #[error("worker sent a part target that does not follow from its plan")]
    BadPartTarget,
    /// It continues a session, but with another plan.
    #[error("worker changed the plan of its session")]
    OtherPlan,
    /// It sent media before a plan.
    #[error("worker sent media without a plan")]
    NoPlan,
    /// It sent a part or segment that does not follow the one before, or did not begin with the
    /// segment that it was told to begin with. No later part would follow either, so another worker
    /// goes on, after a discontinuity.
    #[error("worker left a part out")]
    LeftOut,
    /// It sent media of a rendition that is not in the plan.
    #[error("worker sent a rendition that is not planned")]
    NoSuchTrack,
    /// It sent a part before an initialization section, or changed the section afterwards.
    #[error("worker sent an initialization section out of place")]
    MisplacedInit,
    /// It named a codec that no worker makes.
    #[error("worker sent a codec string that makes no sense")]
    BadCodec,
    /// The session's workers named more codecs for one rendition than there are encoders.
    #[error("worker named one codec too many for a rendition")]
    TooManyCodecs,
    /// It ended a segment where no cut was told, or did not end it at a cut.
    #[error("worker cut a segment in the wrong place")]
    BadCut,
    /// It began a segment with a part that no decoder can start at.
    #[error("worker began a segment without a key frame")]
    Dependent,
    /// It sent media with a duration that its plan does not allow.
    #[error("worker sent media of an absurd duration")]
    Absurd,
    /// It sent media without a byte, or far more of them than the bitrate allows.
    #[error("worker sent media of an absurd size")]
    BadSize,
    /// The dates of its media are not those of its clock.
    #[error("worker sent media with an absurd date")]
    BadDate,
    /// It sent media faster than real time.
    #[error("worker sent media faster than real time")]
    Hasty,
}
