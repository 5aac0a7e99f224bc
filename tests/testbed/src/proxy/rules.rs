//! Which request meets which fault.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::{Action, Asked};

/// Tells whether a request is meant.
pub(super) type Fits = Box<dyn Fn(&Asked) -> bool + Send>;

struct Rule {
    fits: Fits,
    action: Action,
    /// Requests that fit and are let pass first.
    skip: usize,
    left: usize,
    hits: Arc<AtomicUsize>,
}

/// Tells how often a rule was used.
#[derive(Clone, Debug)]
pub struct Hits(Arc<AtomicUsize>);

impl Hits {
    /// The number.
    #[must_use]
    pub fn hits(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

/// Every rule, in the order in which they were made.
#[derive(Default)]
pub(super) struct Rules(Vec<Rule>);

impl Rules {
    pub(super) fn add(&mut self, skip: usize, times: usize, fits: Fits, action: Action) -> Hits {
        let hits = Arc::new(AtomicUsize::new(0));
        self.0.push(Rule {
            fits,
            action,
            skip,
            left: times,
            hits: hits.clone(),
        });
        Hits(hits)
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// What happens to a request, by the first rule that has a use left. Every rule that it fits before counts it.
    pub(super) fn action(&mut self, asked: &Asked) -> Option<Action> {
        for rule in self.0.iter_mut().filter(|rule| rule.left > 0) {
            if !(rule.fits)(asked) {
                continue;
            }
            if rule.skip > 0 {
                rule.skip -= 1;
                continue;
            }
            rule.left -= 1;
            rule.hits.fetch_add(1, Ordering::SeqCst);
            return Some(rule.action.clone());
        }
        None
    }
}
