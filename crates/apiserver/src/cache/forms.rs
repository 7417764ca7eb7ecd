//! What an entry looks like in the versions of a custom resource: made once and kept with it, since an entry never changes.
//!
//! Reading a custom resource means to fill in defaults, prune, rename, and maybe to ask a webhook: none of it is done
//! again for the next reader. As upstream's watch cache does, which holds the objects of each version.

use bytes::Bytes;
use registry::custom::Custom;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// How many forms one entry keeps, each about as large as the object: definitions seldom serve more than two versions at
/// a time. Further ones are made anew for each reader.
const MAX_FORMS: usize = 4;

#[derive(Debug)]
enum Form {
    /// The stored bytes are what this version serves.
    Same,
    /// These are.
    Other(Bytes),
}

/// The forms of one entry. A row that was replaced (another schema, another webhook) finds nothing of its predecessor's.
#[derive(Debug, Default)]
pub(super) struct Forms(Mutex<Vec<(Weak<Custom>, Form)>>);

impl Forms {
    /// The JSON of a version; `stored` is the entry's own. `None`: nobody has made it yet.
    pub(super) fn get(&self, custom: &Arc<Custom>, stored: impl FnOnce() -> Bytes) -> Option<Bytes> {
        let forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = forms.iter().find(|(owner, _)| std::ptr::eq(owner.as_ptr(), Arc::as_ptr(custom)));
        found.map(|(_, form)| match form {
            Form::Same => stored(),
            Form::Other(json) => json.clone(),
        })
    }

    /// Keeps the JSON of a version; `None`: it is the stored one.
    pub(super) fn keep(&self, custom: &Arc<Custom>, json: Option<Bytes>) {
        let mut forms = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        forms.retain(|(owner, _)| owner.strong_count() > 0 && !std::ptr::eq(owner.as_ptr(), Arc::as_ptr(custom)));
        if forms.len() < MAX_FORMS {
            forms.push((Arc::downgrade(custom), json.map_or(Form::Same, Form::Other)));
        }
    }
}
