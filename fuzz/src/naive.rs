//! Packages, read by the book and without any thought of attacks: what ar, tar and dpkg see.

/// The members of an ar archive: names without padding, and contents.
#[must_use]
pub fn ar(mut bytes: &[u8]) -> Option<Vec<(String, &[u8])>> {
    bytes = bytes.strip_prefix(b"!<arch>\n")?;
    let mut members = Vec::new();
    while !bytes.is_empty() {
        let header = bytes.get(..60)?;
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).ok();
        let size: usize = text(&header[48..58])?.trim_end().parse().ok()?;
        let body = bytes.get(60..60 + size)?;
        let name = text(&header[..16])?;
        let name = name.trim_end_matches(' ');
        members.push((name.strip_suffix('/').unwrap_or(name).to_owned(), body));
        bytes = bytes.get(60 + size + size % 2..).unwrap_or_default();
    }
    Some(members)
}

/// The files of a tar archive as GNU tar unpacks them, the last one of a name last, if no pax header
/// says anything about them. Nothing if there is anything that this does not know.
#[must_use]
pub fn tar(mut bytes: &[u8]) -> Option<Vec<(String, &[u8])>> {
    let mut files = Vec::new();
    let mut long_name = None;
    loop {
        let header = bytes.get(..512)?;
        if header.iter().all(|&byte| byte == 0) {
            return Some(files);
        }
        let until_nul = |field: &[u8]| {
            let end = field.iter().position(|&byte| byte == 0).unwrap_or(field.len());
            String::from_utf8_lossy(&field[..end]).into_owned()
        };
        let size = until_nul(&header[124..136]);
        let size = size.trim().split(' ').next().unwrap_or_default();
        let size = if size.is_empty() { 0 } else { usize::from_str_radix(size, 8).ok()? };
        let mut name = until_nul(&header[..100]);
        if &header[257..263] == b"ustar\0" && header[345] != 0 {
            name = format!("{}/{name}", until_nul(&header[345..500]));
        }
        // GNU tar takes links to have no data.
        let size = if header[156] == b'1' { 0 } else { size };
        let body = bytes.get(512..512 + size)?;
        match header[156] {
            b'0' | 0 => files.push((long_name.take().unwrap_or(name), body)),
            b'5' | b'1' | b'2' => drop(long_name.take()),
            b'x' | b'g' => {}
            b'L' => long_name = Some(until_nul(body)),
            _ => return None,
        }
        bytes = bytes.get(512 + size.next_multiple_of(512)..).unwrap_or_default();
        if bytes.is_empty() {
            return Some(files);
        }
    }
}

/// The only file called `control`, wherever `./` stands in its path.
#[must_use]
pub fn control(files: &[(String, &[u8])]) -> Option<Vec<u8>> {
    let mut found = files.iter().filter(|(name, _)| {
        name.split('/').filter(|part| !matches!(*part, "" | ".")).eq(["control"])
    });
    let (_, text) = found.next()?;
    found.next().is_none().then(|| text.to_vec())
}

/// The value of a field that stands on one line, by its name whatever its case. Nothing if it
/// stands there twice.
#[must_use]
pub fn field(control: &[u8], name: &str) -> Option<String> {
    let text = String::from_utf8_lossy(control);
    let mut values = text.split('\n').filter_map(|line| {
        let (key, value) = line.split_once(':')?;
        let white = |c: char| matches!(c, ' ' | '\t' | '\r' | '\x0b' | '\x0c');
        let key = key.trim_end_matches(white);
        key.eq_ignore_ascii_case(name).then(|| value.trim_matches(white).to_owned())
    });
    let value = values.next()?;
    values.next().is_none().then_some(value)
}

/// `Package Version Architecture` of a control file.
#[must_use]
pub fn identity(control: &[u8]) -> Option<String> {
    let field = |name| field(control, name);
    Some(format!("{} {} {}", field("Package")?, field("Version")?, field("Architecture")?))
}
