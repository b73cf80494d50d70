use super::*;
use evener_config::{PasswordHash, RsId, VirtualService, VsId, first};

fn service(id: u32, port: u16) -> VirtualService {
    let text = format!(
        "[[virtual_services]]\nname = \"s{id}\"\naddress = {{ literal = \"192.0.2.10\" }}\nport = {port}\n\
         [[virtual_services.real_servers]]\naddress = \"10.0.0.5\"\nport = 8080\n"
    );
    let mut service = first::parse(&text).unwrap().config.shared.virtual_services.remove(0);
    service.id = VsId(id);
    service.real_servers[0].id = RsId(id + 100);
    service
}

fn user(name: &str, password: &str, must_change_password: bool) -> User {
    User { name: name.into(), password: PasswordHash(password.into()), must_change_password }
}

fn config(services: &[(u32, u16)], users: &[User]) -> Config {
    let mut config = Config::default();
    config.shared.virtual_services = services.iter().map(|(id, port)| service(*id, *port)).collect();
    config.shared.users = users.to_vec();
    config
}

#[test]
fn a_deleted_service_comes_back_with_its_ids_and_what_came_later_stays() {
    let before = config(&[(1, 80), (2, 81)], &[]);
    let changed = config(&[(2, 81)], &[]);
    let now = config(&[(2, 81), (3, 83)], &[]);
    let back = undone(&changed, &before, &now).unwrap();
    assert_eq!(back, config(&[(1, 80), (2, 81), (3, 83)], &[]));
    assert_eq!(undone(&now, &now, &now), Ok(now), "nothing was changed, nothing goes back");
}

#[test]
fn two_fields_of_one_service_do_not_clash_and_one_field_does() {
    let before = config(&[(1, 80)], &[]);
    let changed = config(&[(1, 81)], &[]);
    let mut now = changed.clone();
    now.shared.virtual_services[0].name = "store".into();
    let back = undone(&changed, &before, &now).unwrap();
    let service = &back.shared.virtual_services[0];
    assert_eq!((service.port, service.name.as_str()), (80, "store"));

    now.shared.virtual_services[0].port = 82;
    let Err(NotBack::Conflicts(conflicts)) = undone(&changed, &before, &now) else { panic!() };
    let paths: Vec<String> = conflicts.iter().map(|it| it.path.to_string()).collect();
    assert_eq!(paths, ["shared.virtual_services[id=1].port"]);
}

#[test]
fn what_was_added_and_changed_since_is_not_deleted() {
    let (before, changed) = (config(&[], &[]), config(&[(1, 80)], &[]));
    let Err(NotBack::Conflicts(conflicts)) = undone(&changed, &before, &config(&[(1, 81)], &[])) else {
        panic!()
    };
    assert_eq!(conflicts[0].path.to_string(), "shared.virtual_services[id=1]");
    assert_eq!(undone(&changed, &before, &changed), Ok(before));
}

#[test]
fn a_password_is_never_taken_back() {
    let before = config(&[(1, 80)], &[user("bal", "first", true), user("eva", "old", false)]);
    let changed = config(&[], &[user("bal", "chosen", false), user("eva", "old", false)]);
    let now = config(&[], &[user("bal", "later", false)]);
    let back = undone(&changed, &before, &now).unwrap();
    assert_eq!(back.shared.users, [user("bal", "later", false)]);
    assert_eq!(back.shared.virtual_services.len(), 1);
    // An account that is not there any more comes back with the password that it had.
    let back = undone(&now, &changed, &now).unwrap();
    assert_eq!(back.shared.users, [user("bal", "later", false), user("eva", "old", false)]);
}

#[test]
fn a_whole_generation_comes_back_without_its_accounts() {
    let mut former = config(&[(1, 80)], &[user("bal", "old", true)]);
    former.unit.hostname = "lb9".into();
    let now = config(&[(2, 81)], &[user("bal", "new", false), user("eva", "x", false)]);
    let back = brought_back(&former, &now);
    assert_eq!(back.shared.users, now.shared.users);
    assert_eq!((back.shared.virtual_services, back.unit), (former.shared.virtual_services, former.unit));
}

#[test]
fn parts_replace_what_they_are_and_nothing_else() {
    let now = config(&[(1, 80)], &[user("bal", "now", false)]);
    let from = config(&[(7, 90)], &[user("bal", "first", true), user("eva", "hers", false)]);
    let services = Parts { services: Some(from.shared.clone()), ..Parts::default() };
    let made = replaced(&services, &now);
    assert_eq!(
        (made.shared.virtual_services, made.shared.users),
        (from.shared.virtual_services.clone(), now.shared.users.clone())
    );
    let users = Parts { users: Some(from.shared.users), ..Parts::default() };
    let made = replaced(&users, &now);
    assert_eq!(made.shared.virtual_services, now.shared.virtual_services);
    // bal had a password that only the console of those days knew.
    assert_eq!(made.shared.users, [user("bal", "now", false), user("eva", "hers", false)]);
    assert_eq!(replaced(&Parts::default(), &now), now);
}

#[test]
fn ids_that_come_back_are_never_given_again() {
    let present = NextIds { vs: 5, rs: 500 };
    assert_eq!(ids_beyond(present, &config(&[(1, 80)], &[])), present);
    assert_eq!(ids_beyond(present, &config(&[(9, 80)], &[])), NextIds { vs: 10, rs: 500 });
}
