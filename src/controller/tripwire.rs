//! A panic in one step of one object's pass, so that tests can see what becomes of the rest. Release builds have none.

use std::sync::{Mutex, PoisonError};

use crate::cluster::Key;
use crate::domain::pass::Effect;

/// `NAMESPACE/NAME/EFFECT`: the first such effect panics.
const VARIABLE: &str = "OAUTH_CLIENT_OPERATOR_PANIC";

/// Panics if this step is the one that was asked for, once in the life of the process.
pub(super) fn step(key: &Key, effect: &Effect) {
    static SPENT: Mutex<bool> = Mutex::new(false);
    let Ok(wanted) = std::env::var(VARIABLE) else { return };
    if wanted != format!("{key}/{}", effect.kind()) {
        return;
    }
    let mut spent = SPENT.lock().unwrap_or_else(PoisonError::into_inner);
    if !std::mem::replace(&mut *spent, true) {
        drop(spent);
        #[allow(clippy::panic, reason = "this is what it is for")]
        {
            panic!("{VARIABLE} asked for it");
        }
    }
}
