//! What somebody signed about an image. What is taken says the same when it is written again, and
//! does not contradict itself.
#![no_main]

use apt_quorum::image::{ImageStatement, MANIFEST, StatedState};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(statement) = ImageStatement::read(data) else { return };
    let written = statement.to_json().expect("it can be written");
    assert!(written.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
    assert_eq!(ImageStatement::read(written.as_bytes()).as_ref(), Ok(&statement));

    assert!(statement.tree().is_some());
    assert!(statement.files().all(|it| it.name != MANIFEST));
    let packages = &statement.predicate.image.packages;
    assert!(packages.windows(2).all(|two| two[0].identity() < two[1].identity()));
    let excepted = packages.iter().any(|it| it.state == StatedState::Excepted);
    assert_eq!(written.contains(r#""verifiedLevels":["APT_QUORUM_EXCEPTED"]"#), excepted);
});
