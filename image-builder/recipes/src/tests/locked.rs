//! What the lock file names, and what becomes of a build that finds something else.

use evener_manifest::{Header, Keyset};

use super::*;

pub(super) fn tree_with_lock(place: &Place, sha256: &str) {
    let lock = format!("[linux]\nversion = \"6.12.1\"\norigin = \"x\"\nsha256 = \"{sha256}\"\n");
    place.put("tree/board-support/sources.lock", &lock);
    place.put("tree/board-support/kernel/base.config", "CONFIG_SMP=y\n");
    place.put("tree/board-support/kernel/patches/none.txt", "");
}

#[test]
fn another_source_than_the_locked_one_is_said_and_with_locked_refused() {
    let place = Place::new();
    tree_with_lock(&place, &"0".repeat(64));
    let tarball = place.put("linux.tar", "not really a tarball");
    let error = kernel::kernel(&place.shop(true), Some(&tarball)).unwrap_err();
    assert!(
        matches!(&error, RecipeError::NotLocked { found, .. } if *found == hex(&sha256(b"not really a tarball")))
    );

    // Without --locked it says so and goes on to unpack it, which fails here.
    let error = kernel::kernel(&place.shop(false), Some(&tarball)).unwrap_err();
    assert!(matches!(&error, RecipeError::Failed { program, .. } if program == "tar"), "{error}");
    assert!(place.listener.0.borrow()[0].contains("is not the locked Linux 6.12.1"));
}

#[test]
fn another_compiler_than_the_locked_one_is_said_and_with_locked_refused() {
    let place = Place::new();
    let tools = toolchain::here().unwrap();
    let lock = |edit: fn(&str) -> String| {
        let lines = tools.iter().map(|(program, says)| format!("{program} = {:?}\n", edit(says)));
        place.put("tree/board-support/sources.lock", &format!("[toolchain]\n{}", lines.collect::<String>()));
    };
    lock(str::to_owned);
    toolchain::check(&place.shop(true), &tools).unwrap();
    assert!(place.listener.0.borrow().is_empty());

    lock(|says| says.replace("rustc 1", "rustc 2"));
    let error = toolchain::check(&place.shop(true), &tools).unwrap_err().to_string();
    assert!(error.starts_with("rustc says \"rustc 1") && error.contains("names \"rustc 2"), "{error}");
    toolchain::check(&place.shop(false), &tools).unwrap();
    assert!(place.listener.0.borrow()[0].contains("rustc says"));
}

#[test]
fn the_manifest_states_the_programs_that_the_lock_file_names() {
    let place = Place::new();
    let tools = toolchain::here().unwrap();
    let keys = evener_keys::KeyFolder::new(place.path("keys"));
    let (key, _) = keys.development().unwrap();
    let (keyset, parts) = (key.keyset(false).unwrap(), some_parts());
    let toolchain = Some(toolchain::stated(&tools));
    let firmware = sign(&Statement { toolchain, ..some_statement(&parts) }, &parts, &key, &keyset).unwrap();

    let keys = Keyset::parse(&keyset).unwrap();
    let verified = Header::parse(&firmware.area).unwrap().verify(&keys).unwrap();
    let stated: Vec<&str> = verified.toolchain().unwrap().split("; ").collect();
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../board-support/sources.lock");
    let lock: toml::Table = toml::from_str(&fs::read_to_string(lock).unwrap()).unwrap();
    let named = lock["toolchain"].as_table().unwrap();
    assert_eq!(stated.len(), named.len(), "{stated:?}");
    for ((program, says), stated) in tools.iter().zip(stated) {
        assert!(named.contains_key(*program), "{program} is not in the lock file");
        assert_eq!(stated, says);
    }
}

#[test]
fn a_locked_build_believes_a_source_by_its_bytes_only() {
    let place = Place::new();
    let tarball = place.put("linux.tar", "the locked source");
    let cache = place.path("cache");
    let changed = fs::metadata(&tarball).unwrap().modified().unwrap();
    let before = digest::of_source(&tarball, &cache, false).unwrap();
    // Another source of the same size and time.
    place.put("linux.tar", "something else...");
    fs::File::options().write(true).open(&tarball).unwrap().set_modified(changed).unwrap();
    assert_eq!(digest::of_source(&tarball, &cache, false).unwrap(), before, "remembered");
    let locked = digest::of_source(&tarball, &cache, true).unwrap();
    assert_eq!(locked, hex(&sha256(b"something else...")));
    assert_eq!(digest::of_source(&tarball, &cache, false).unwrap(), locked, "and put right");
}

#[test]
fn a_kernel_in_the_cache_needs_no_source() {
    let place = Place::new();
    tree_with_lock(&place, &"7".repeat(64));
    let shop = place.shop(true);
    // The cache entry of these ingredients is the one that an attempt to build locks.
    let tarball = place.put("linux.tar", "x");
    tree_with_lock(&place, &hex(&sha256(b"x")));
    kernel::kernel(&shop, Some(&tarball)).unwrap_err();
    let locks = fs::read_dir(place.path("cache/kernel")).unwrap().map(|e| e.unwrap().path());
    let entry = locks.into_iter().find(|p| p.extension().is_some_and(|e| e == "lock")).unwrap();
    let entry = entry.with_extension("");
    let digest = hex(&sha256(b"kernel"));
    for (name, text) in
        [("bzImage", "kernel"), ("bzImage.sha256", digest.as_str()), ("config", ""), ("version", "6.12.1\n")]
    {
        fs::create_dir_all(&entry).unwrap();
        fs::write(entry.join(name), text).unwrap();
    }
    let kernel = kernel::kernel(&shop, None).unwrap();
    assert_eq!(kernel.version, "6.12.1");
    assert_eq!(fs::read_to_string(kernel.image).unwrap(), "kernel");

    // A crash of the building machine left it empty: it must not be signed.
    fs::write(entry.join("bzImage"), "").unwrap();
    kernel::kernel(&shop, Some(&tarball)).unwrap_err();
    assert!(place.listener.0.borrow().iter().any(|said| said.ends_with("is damaged; not used")));

    place.put("tree/board-support/kernel/base.config", "CONFIG_SMP=y\nCONFIG_PCI=y\n");
    let other = kernel::kernel(&shop, Some(&tarball));
    assert!(other.is_err(), "another configuration is another kernel");
}
