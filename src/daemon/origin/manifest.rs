//! The DASH manifest of a session, rendered once for each change of its segments.

use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use super::answer::Text;
use crate::model::dash;
use crate::model::hls::{Edition, Presentation};

#[derive(Debug, Default)]
pub(super) struct Manifest {
    dash: dash::Manifest,
    rendered: Option<(Edition, Arc<Text>)>,
    /// Texts so far.
    count: u64,
}

impl Manifest {
    /// The text of what there is; `None` before there is something to play.
    pub(super) fn text(&mut self, media: &Presentation, session: &str) -> Option<Arc<Text>> {
        let now = media.edition()?;
        if let Some((edition, text)) = &self.rendered
            && *edition == now
        {
            return Some(text.clone());
        }
        let published = SystemTime::now().duration_since(UNIX_EPOCH);
        let text = self
            .dash
            .text(media, session, published.unwrap_or_default())?;
        self.count = self.count.saturating_add(1);
        let text = Text::new(text, format!("\"{session}-d{}\"", self.count));
        self.rendered = Some((now, text.clone()));
        Some(text)
    }
}
