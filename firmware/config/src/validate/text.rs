//! Texts that end up in host names, headers, request lines and logs.

/// Why this is no RFC 1123 §2.1 host name (one label, without domain); `None` when it is.
pub(super) fn why_not_a_hostname(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '-';
    if name.is_empty() || name.len() > 63 {
        Some(format!("a host name has 1 to 63 characters, not {}", name.len()))
    } else if name.contains('.') {
        Some(format!("{name:?} has a dot: give the name without its domain"))
    } else if !name.chars().all(good) {
        Some(format!("{name:?} is not a host name: letters, digits and - only"))
    } else if name.starts_with('-') || name.ends_with('-') {
        Some(format!("{name:?} is not a host name: it starts or ends with -"))
    } else {
        None
    }
}

/// Why no interface can be called this; `None` when one can (the kernel's `dev_valid_name`, ASCII only).
pub(super) fn why_not_an_interface(name: &str) -> Option<String> {
    if name.is_empty() || name.len() > 15 {
        Some(format!("an interface name has 1 to 15 characters, not {}", name.len()))
    } else if name == "." || name == ".." || name.chars().any(|c| !c.is_ascii_graphic() || "/:".contains(c)) {
        Some(format!("{name:?} is not an interface name, such as eth0"))
    } else {
        None
    }
}

/// Why an account cannot be called this; `None` when it can.
pub(super) fn why_not_a_user(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 64 {
        Some(format!("a user name has 1 to 64 characters, not {}", name.chars().count()))
    } else if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(good) {
        Some(format!("{name:?} is not a user name: a letter, then letters, digits, '.', '_' or '-'"))
    } else {
        None
    }
}

/// Why nothing that others refer to can be called this; `None` when it can.
pub(super) fn why_not_a_name(name: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    if name.is_empty() || name.len() > 64 {
        Some(format!("a name has 1 to 64 characters, not {}", name.chars().count()))
    } else if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(good) {
        Some(format!("{name:?} is not a name: a letter or digit, then letters, digits, '.', '_' or '-'"))
    } else {
        None
    }
}

/// Why this is no name of the domain name system (RFC 1035 §2.3.1, RFC 1123 §2.1); `None` when it is.
pub(super) fn why_not_a_domain(name: &str) -> Option<String> {
    let is_label = |label: &str| {
        let good = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        (1..=63).contains(&label.len())
            && label.chars().all(good)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.is_empty() || name.len() > 253 {
        Some(format!("a name has 1 to 253 characters, not {}", name.chars().count()))
    } else if !name.split('.').all(is_label) {
        Some(format!(
            "{name:?} is not a name: letters, digits and - between dots, none of them first or last"
        ))
    } else {
        None
    }
}

/// Why a service cannot be called this; `None` when it can.
pub(super) fn why_not_a_label(name: &str) -> Option<String> {
    let length = name.chars().count();
    if length > 64 {
        Some(format!("a name has up to 64 characters, not {length}"))
    } else if name.chars().any(char::is_control) {
        Some(String::from("a name has no line breaks or other control characters"))
    } else if name.trim() != name {
        Some(String::from("a name does not start or end with a space"))
    } else {
        None
    }
}

/// Why this cannot stand in a request line (RFC 9112 §3.2.1); `None` when it can.
pub(super) fn why_not_a_target(path: &str) -> Option<String> {
    if path.is_empty() || path.len() > 126 {
        Some(format!("a path has 1 to 126 characters, not {}", path.chars().count()))
    } else if !path.starts_with('/') {
        Some(format!("{path:?} does not start with /"))
    } else {
        let bad = path.chars().find(|c| !c.is_ascii_graphic() || *c == '#')?;
        Some(format!("a path cannot hold {bad:?}: write it percent-encoded, such as %20 for a space"))
    }
}

/// Why this cannot stand in a `Host` header (RFC 9110 §7.2); `None` when it can.
pub(super) fn why_not_a_host_header(host: &str) -> Option<String> {
    let good = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    if host.is_empty() || host.len() > 255 {
        Some(format!("a host has 1 to 255 characters, not {}", host.chars().count()))
    } else {
        host.chars().find(|c| !good(*c)).map(|bad| {
            format!("a host cannot hold {bad:?}: a name or an address, and a port after a colon if need be")
        })
    }
}

/// Most bytes of a password: 128 characters of UTF-8. A longer one is nobody's, and need not be looked at.
pub const MAX_PASSWORD_BYTES: usize = 512;

/// Why this cannot be a new password, in words; `None` when it can. What is asked for is length alone
/// (NIST SP 800-63B §5.1.1.2): rules on kinds of characters make passwords worse.
#[must_use]
pub fn why_not_a_password(password: &str) -> Option<String> {
    let length = password.chars().count();
    // Of at most four bytes each, so that the limit in bytes needs no sentence of its own.
    if !(8..=MAX_PASSWORD_BYTES / 4).contains(&length) {
        Some(format!("a password has 8 to 128 characters, not {length}"))
    } else if password.chars().any(char::is_control) {
        Some(String::from("a password has no control characters: nobody could type it"))
    } else {
        None
    }
}

/// Why this is no usable Argon2id hash; `None` when it is.
///
/// PHC string format: `$argon2id$v=19$m=KiB,t=passes,p=lanes$salt$hash`. The cost is bounded above, because
/// whoever tries to sign in makes the unit pay it.
pub(crate) fn why_not_a_password_hash(text: &str) -> Option<String> {
    let Some([memory, passes, lanes]) = phc_cost(text) else {
        return Some(String::from("this is not an Argon2id hash: $argon2id$v=19$m=…,t=…,p=…$salt$hash"));
    };
    if !(1..=131_072).contains(&memory) || !(1..=10).contains(&passes) || !(1..=4).contains(&lanes) {
        let reason = "this Argon2id hash costs too much to check: m up to 131072 KiB, t up to 10, p up to 4";
        Some(String::from(reason))
    } else if memory < 8 * lanes {
        // RFC 9106 §3.1: each lane needs 8 KiB, or there is no such hash.
        Some(format!("this is not an Argon2id hash: p={lanes} needs m={} or more", 8 * lanes))
    } else {
        None
    }
}

/// The three cost parameters of a well-formed hash. The PHC string format allows a salt of 64 characters, and no
/// leading zeros. Whether the Base64 is canonical is left to who decodes it.
fn phc_cost(text: &str) -> Option<[u32; 3]> {
    let mut parts = text.strip_prefix("$argon2id$v=19$")?.split('$');
    let (cost, salt, hash) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || !is_base64(salt, 11..=64) || !is_base64(hash, 22..=86) {
        return None;
    }
    let mut values = cost.split(',');
    let mut value = |name: &str| -> Option<u32> {
        let digits = values.next()?.strip_prefix(name)?;
        let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
        plain.then(|| digits.parse().ok())?
    };
    let read = [value("m=")?, value("t=")?, value("p=")?];
    values.next().is_none().then_some(read)
}

fn is_base64(text: &str, length: core::ops::RangeInclusive<usize>) -> bool {
    length.contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+' || b == b'/')
}
