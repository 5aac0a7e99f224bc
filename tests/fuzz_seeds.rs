//! Every input of the fuzz targets' corpus goes through its target: seeds, and whatever was ever found.

#![allow(clippy::unwrap_used, reason = "a test that cannot read its files has failed")]
#![allow(clippy::panic, reason = "a panic is how a target tells what it found")]

#[path = "fuzz/src/lib.rs"]
mod targets;

use std::fs;
use std::path::Path;

use proptest::prelude::*;

#[test]
fn t96_every_target_takes_its_corpus() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fuzz/corpus");
    for (name, target) in targets::TARGETS {
        let files: Vec<_> = fs::read_dir(corpus.join(name))
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        assert!(!files.is_empty(), "{name} has no corpus");
        for file in files {
            let data = fs::read(&file).unwrap();
            let taken = std::panic::catch_unwind(|| target(&data));
            assert!(taken.is_ok(), "{} is not taken", file.display());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn t96_the_planner_takes_whatever_it_sees(data in prop::collection::vec(any::<u8>(), 0..400)) {
        for name in ["planner_view", "planner_pass", "address"] {
            targets::run(name, &data);
        }
    }
}
