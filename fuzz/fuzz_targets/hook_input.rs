//! What apt tells the hook. An archive that apt names and the hook does not see is installed
//! without anybody having judged it.
#![no_main]

use std::os::unix::ffi::OsStrExt;

use apt_quorum::apt::hook_input::HookInput;
use apt_quorum_fuzz::Dripping;
use libfuzzer_sys::fuzz_target;

/// `name version architecture path` of every line whose path is no marker.
fn plainly(data: &[u8]) -> Option<Vec<Vec<u8>>> {
    let end = data.windows(2).position(|two| two == b"\n\n")?;
    let lines = data.get(end + 2..)?;
    let mut all = Vec::new();
    for line in lines.split(|&byte| byte == b'\n').filter(|line| !line.is_empty()) {
        let fields: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
        let path = fields.get(8..).unwrap_or_default().join(&b' ');
        if path != b"**REMOVE**" && path != b"**CONFIGURE**" {
            all.push([fields[0], fields.get(5)?, fields.get(6)?, &path].join(&b' '));
        }
    }
    Some(all)
}

fn seen(input: &HookInput) -> Vec<Vec<u8>> {
    let archive = |(path, called): &(std::path::PathBuf, apt_quorum::types::Called)| {
        let mut line =
            format!("{} {} {} ", called.package, called.version, called.architecture).into_bytes();
        line.extend(path.as_os_str().as_bytes());
        line
    };
    input.files.iter().map(archive).collect()
}

fuzz_target!(|data: &[u8]| {
    let read = HookInput::read(data);
    let drip = data.last().map_or(1, |&byte| usize::from(byte));
    let dripped = HookInput::read(Dripping(data, drip));
    assert_eq!(read.is_ok(), dripped.is_ok());
    match read {
        Ok(input) => {
            assert!(data.starts_with(b"VERSION 3\n") && data.ends_with(b"\n"));
            // Where a line is odd, nothing is installed unless the mode is `warn`.
            let all_utf8 = std::str::from_utf8(data).is_ok();
            if input.odd.is_empty() && all_utf8 {
                assert_eq!(plainly(data), Some(seen(&input)));
            }
            assert!(input.files.iter().all(|(path, _)| path.is_absolute()));
            // A further line that is not understood is told.
            let more = [data, b"\n"].concat();
            if input.files.is_empty() && data.ends_with(b"\n\n") {
                let more = HookInput::read(more.as_slice()).expect("the same and a line");
                assert_eq!(more.odd.len(), input.odd.len() + 1);
            }
            for it in &input.odd {
                let said = it.to_string();
                assert!(said.len() < 1000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
            }
            // And one more archive is seen.
            let more = [data, b"ab - - none < 1 all none /x y.deb\n"].concat();
            let more = HookInput::read(more.as_slice()).map(|more| seen(&more).len());
            assert_eq!(more.ok(), Some(input.files.len() + 1));
            // Cut off in its last line, it is no longer understood. An empty line, which is odd,
            // is nothing without its end.
            let cut = HookInput::read(&data[..data.len() - 1]);
            assert!(cut.is_err() || data.ends_with(b"\n\n") && !input.odd.is_empty());
        }
        Err(error) => {
            let said = error.to_string();
            assert!(said.len() < 1000 && said.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        }
    }
});
