//! Who a container's process is: numbers from names, by the image's own passwd and group files. Pure.

use crate::service::{ContainerUser, SecurityContext};

/// Finds the user that `security`, or else the image's `user[:group]`, asks for.
pub(super) fn resolve(
    security: &SecurityContext,
    image_user: &str,
    passwd: &str,
    group: &str,
) -> Result<ContainerUser, String> {
    let (wanted_user, wanted_group) = match (security.run_as_user, &security.run_as_username) {
        (Some(uid), _) => (uid.to_string(), String::new()),
        (None, Some(name)) if !name.is_empty() => (name.clone(), String::new()),
        _ => {
            let (user, group) = image_user.split_once(':').unwrap_or((image_user, ""));
            (user.to_owned(), group.to_owned())
        }
    };
    let entry = find_user(passwd, &wanted_user)?;
    let gid = match security.run_as_group {
        Some(gid) => number(gid)?,
        None if !wanted_group.is_empty() => find_group(group, &wanted_group)?,
        None => entry.gid,
    };
    let mut groups = vec![gid];
    if !security.strict_supplemental_groups {
        groups.extend(groups_of(group, &entry.name));
    }
    for gid in &security.supplemental_groups {
        groups.push(number(*gid)?);
    }
    groups.sort_unstable();
    groups.dedup();
    Ok(ContainerUser { uid: entry.uid, gid, supplemental_groups: groups })
}

struct Entry {
    name: String,
    uid: u32,
    gid: u32,
}

fn number(id: i64) -> Result<u32, String> {
    u32::try_from(id).map_err(|_| format!("id {id} is out of range"))
}

fn find_user(passwd: &str, wanted: &str) -> Result<Entry, String> {
    let uid: Option<u32> = if wanted.is_empty() { Some(0) } else { wanted.parse().ok() };
    for line in passwd.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        let [name, _, line_uid, gid, ..] = fields[..] else { continue };
        let (Ok(line_uid), Ok(gid)) = (line_uid.parse::<u32>(), gid.parse::<u32>()) else { continue };
        if Some(line_uid) == uid || name == wanted {
            return Ok(Entry { name: name.to_owned(), uid: line_uid, gid });
        }
    }
    match uid {
        Some(uid) => Ok(Entry { name: String::new(), uid, gid: 0 }),
        None => Err(format!("unable to find user {wanted}: no matching entries in passwd file")),
    }
}

fn find_group(group: &str, wanted: &str) -> Result<u32, String> {
    if let Ok(gid) = wanted.parse() {
        return Ok(gid);
    }
    let gid = group.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(wanted)).then(|| fields.nth(1)?.parse().ok())?
    });
    gid.ok_or_else(|| format!("unable to find group {wanted}: no matching entries in group file"))
}

fn groups_of<'a>(group: &'a str, user: &'a str) -> impl Iterator<Item = u32> + 'a {
    group.lines().filter_map(move |line| {
        let mut fields = line.split(':').skip(2);
        let (gid, members) = (fields.next()?.parse().ok()?, fields.next()?);
        (!user.is_empty() && members.split(',').any(|member| member == user)).then_some(gid)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nnginx:x:101:102::/nonexistent:/bin/false\n";
    const GROUP: &str = "root:x:0:\nadm:x:4:nginx,other\nnginx:x:102:\nwheel:x:10:root\n";

    fn check(security: SecurityContext, image_user: &str, expected: Expect) {
        let text = match resolve(&security, image_user, PASSWD, GROUP) {
            Ok(user) => format!("{}:{} {:?}", user.uid, user.gid, user.supplemental_groups),
            Err(error) => error,
        };
        expected.assert_eq(&text);
    }

    #[test]
    fn the_image_names_the_user_unless_the_pod_does() {
        check(SecurityContext::default(), "", expect!["0:0 [0, 10]"]);
        check(SecurityContext::default(), "nginx", expect!["101:102 [4, 102]"]);
        check(SecurityContext::default(), "101", expect!["101:102 [4, 102]"]);
        check(SecurityContext::default(), "nginx:adm", expect!["101:4 [4]"]);
        check(SecurityContext::default(), "5000", expect!["5000:0 [0]"]);
        check(SecurityContext::default(), "5000:7", expect!["5000:7 [7]"]);
        check(
            SecurityContext::default(),
            "nobody",
            expect!["unable to find user nobody: no matching entries in passwd file"],
        );
        check(
            SecurityContext::default(),
            "0:none",
            expect!["unable to find group none: no matching entries in group file"],
        );
    }

    #[test]
    fn the_pods_numbers_win() {
        let security = SecurityContext {
            run_as_user: Some(1000),
            run_as_group: Some(3000),
            supplemental_groups: vec![4000, 2000],
            ..SecurityContext::default()
        };
        check(security, "nginx", expect!["1000:3000 [2000, 3000, 4000]"]);
        let strict =
            SecurityContext { run_as_user: Some(101), strict_supplemental_groups: true, ..SecurityContext::default() };
        check(strict, "", expect!["101:102 [102]"]);
        let bad = SecurityContext { run_as_user: Some(-1), ..SecurityContext::default() };
        check(bad, "", expect!["unable to find user -1: no matching entries in passwd file"]);
    }
}
