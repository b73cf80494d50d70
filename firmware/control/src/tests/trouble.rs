//! What goes wrong at the start, what runs on all the same, and what the operator hears of it.

use super::*;

impl Running {
    async fn warnings(&self) -> Vec<String> {
        match self.ask(Request::Warnings).await {
            Reply::Warnings(warnings) => warnings,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_disk_that_cannot_be_written_does_not_stop_a_unit_with_its_first_password() {
    let unit = Unit::new();
    let running = unit.start();
    assert_eq!(running.warnings().await, Vec::<String>::new());
    running.stop().await;
    fs::remove_dir_all(unit.dirs().run).unwrap();
    fs::create_dir(unit.dirs().run).unwrap();
    // Where the next generation would be written first.
    fs::create_dir(unit.dirs().data.join("control/generations/new.tmp")).unwrap();

    let running = unit.start();
    assert_eq!(running.snapshot().await.generation, 1);
    assert_eq!(unit.first_password(), None);
    let warnings = running.warnings().await;
    assert!(warnings.len() == 1 && warnings[0].contains("first password cannot be shown"), "{warnings:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_refused_first_configuration_is_in_the_warnings_with_its_line() {
    let unit = Unit::new();
    fs::write(unit.dirs().run.join("evener.toml"), FIRST.replace("port = 80", "port = 0")).unwrap();
    let running = unit.start();
    let warnings = running.warnings().await;
    assert!(warnings.len() == 1 && warnings[0].contains("line 5: virtual_services[0].port"), "{warnings:?}");
    running.stop().await;
}

#[tokio::test]
async fn what_was_skipped_and_a_lost_second_copy_are_in_the_warnings() {
    let unit = Unit::new();
    // Too small for a copy.
    let path = evener_sys::disk::partition_path(&unit.dirs().run, evener_disk::Role::Conf);
    fs::create_dir(path.parent().unwrap()).unwrap();
    fs::File::create(&path).unwrap().set_len(512).unwrap();
    let running = unit.start();
    running.add(80).await;
    let warnings = running.warnings().await;
    assert!(warnings.len() == 1 && warnings[0].contains("second copy"), "{warnings:?}");
    running.stop().await;

    fs::write(unit.generation_file(2), "{").unwrap();
    let running = unit.start();
    let warnings = running.warnings().await;
    assert!(warnings[0].contains("generation 2 cannot be used"), "{warnings:?}");
    assert_eq!(warnings.len(), 2, "{warnings:?}");
    running.stop().await;
}

#[tokio::test]
async fn a_hash_that_no_password_fits_is_refused_wherever_it_comes_from() {
    let good = crate::password::hash("correct horse").unwrap().0;
    // The last two bits of 43 characters for 32 bytes must be zero.
    let last = if good.ends_with('B') { 'C' } else { 'B' };
    let bad = format!("{}{last}", &good[..good.len() - 1]);
    let unit = Unit::new();
    let text = FIRST.replace("password = \"correct horse\"", &format!("password_hash = \"{bad}\""));
    fs::write(unit.dirs().run.join("evener.toml"), text).unwrap();
    let running = unit.start();
    let warnings = running.warnings().await;
    assert!(warnings.len() == 1 && warnings[0].contains("no password can be checked"), "{warnings:?}");
    assert!(unit.first_password().is_some(), "the unit shows one instead");

    let change = Change::SetPassword { user: "bal".into(), password: PasswordHash(bad) };
    let refused = running.apply(None, change).await;
    assert!(matches!(&refused, Reply::Invalid(_)), "{refused:?}");
    running.stop().await;
}

#[tokio::test]
async fn an_older_firmware_goes_on_with_its_own_settings_and_says_so() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    running.stop().await;
    // As a firmware of a later format left it.
    let newer = include_bytes!("../../../store/golden/of-a-later-format.json");
    fs::write(unit.generation_file(9), newer).unwrap();

    let running = unit.start();
    let snapshot = running.snapshot().await;
    assert_eq!(snapshot.config.shared.virtual_services.len(), 1);
    let warnings = running.warnings().await;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].contains("a newer firmware changed the settings (generation 9, format 2)"),
        "{warnings:?}"
    );
    running.add(81).await;
    assert!(running.snapshot().await.generation > 9, "the newer one's number is not given again");
    assert_eq!(fs::read(unit.generation_file(9)).unwrap(), newer, "nor is it deleted");
    running.stop().await;
}

#[tokio::test]
async fn what_a_downgrade_loses_is_told_before() {
    let unit = Unit::new();
    let running = unit.start();
    running.add(80).await;
    let newest = running.snapshot().await.generation;
    let lost = running.ask(Request::LostBy(evener_store::FORMAT)).await;
    assert_eq!(lost, Reply::Lost { generation: Some(newest), lines: Vec::new() });
    // A firmware that reads nothing of today's.
    let Reply::Lost { generation: None, lines } = running.ask(Request::LostBy(0)).await else { panic!() };
    assert!(
        lines.iter().any(|line| line.contains("virtual service") && line.contains("removed")),
        "{lines:?}"
    );
    running.stop().await;
}
