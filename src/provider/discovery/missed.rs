//! What the places without a document answered.

use crate::domain::outcome::CallError;

use super::silent;

/// Why places had no document of the issuer, the first of each kind.
#[derive(Default)]
pub(super) struct Missed {
    pub mismatch: Option<CallError>,
    pub refusal: Option<CallError>,
    pub absence: Option<CallError>,
}

impl Missed {
    /// The one that says most.
    pub(super) fn told(self) -> CallError {
        if let Some(mismatch) = self.mismatch {
            return mismatch;
        }
        let Some(mut error) = self.refusal.or(self.absence) else {
            return silent("the issuer");
        };
        let rest = "; the other well-known places have no document either. If the metadata is served elsewhere, set spec.metadataURL of the provider \
                    instead of spec.issuer";
        error.failure.message.push_str(rest);
        error
    }
}
