//! The lines between the root hook and the process that fetches. The one without privileges is not
//! believed: what it says comes out as bytes to be verified, bounded, or not at all.
#![no_main]

use apt_quorum::evidence::MAX_ATTESTATIONS;
use apt_quorum::fuzzing;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut input = data;
    while let Some(event) = fuzzing::event(&mut input) {
        assert!(event.found.attestations.len() <= MAX_ATTESTATIONS);
        let sum: usize = event.found.attestations.iter().map(Vec::len).sum();
        assert!(sum <= data.len());
        let line = fuzzing::event_line(event.clone());
        assert!(!line.contains('\n'), "two lines for one event");
        assert_eq!(fuzzing::event(&mut line.as_bytes()), Some(event));
    }
    let mut input = data;
    if let Some(setup) = fuzzing::setup(&mut input) {
        let line = fuzzing::setup_line(&setup);
        assert!(!line.contains('\n'));
        let again = fuzzing::setup(&mut line.as_bytes()).expect("it reads what it writes");
        assert_eq!(fuzzing::setup_line(&again), line);
        assert_eq!(again.endpoints, setup.endpoints);
        assert_eq!((again.timeouts, again.network), (setup.timeouts, setup.network));
        while let Some((id, question, endpoints)) = fuzzing::question(&mut input) {
            let line = fuzzing::question_line(id, question.clone(), endpoints.clone());
            assert!(!line.contains('\n'));
            assert_eq!(fuzzing::question(&mut line.as_bytes()), Some((id, question, endpoints)));
        }
    }
});
