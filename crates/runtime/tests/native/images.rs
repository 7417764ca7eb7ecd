//! Imports, names, whiteouts, collection, pulls.

use crate::busybox;
use crate::rig::{Rig, possible, sh};
use expect_test::expect;
use runtime::service::{ContainerConfig, ImageError, ImageService, RegistryAuth, RuntimeService};
use sha2::Digest;
use std::collections::HashMap;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

fn second_layer() -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    busybox::file(&mut tar, "etc/.wh.plain", 0o644, b"").unwrap();
    busybox::directory(&mut tar, "root/", 0o700).unwrap();
    busybox::file(&mut tar, "root/.wh..wh..opq", 0o644, b"").unwrap();
    busybox::directory(&mut tar, "data/", 0o755).unwrap();
    busybox::file(&mut tar, "data/seed", 0o640, b"seed\n").unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(2);
    header.set_mode(0o4755);
    header.set_uid(1000);
    header.set_gid(50);
    tar.append_data(&mut header, "opt/owned", &b"x\n"[..]).unwrap();
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Link);
    header.set_size(0);
    tar.append_link(&mut header, "opt/linked", "opt/owned").unwrap();
    tar.into_inner().unwrap()
}

#[test]
fn layers_lie_over_each_other_as_whiteouts_say() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let archive = rig.path("two.tar");
    let config = r#"{"Entrypoint":["sh","-c"],"Cmd":["ls -1 /etc /root 2>&1; stat -c '%a %u:%g %h' /opt/owned; cat /data/seed 2>&1; id -u; pwd; echo $X"],"Env":["PATH=/bin","X=y"],"User":"bob","WorkingDir":"/srv/app","Volumes":{"/data":{}},"StopSignal":"SIGQUIT"}"#;
    let first = {
        let mut bytes = busybox::layer().unwrap();
        bytes.truncate(bytes.len() - 1024); // without the end marks, so that entries can follow
        let mut tar = tar::Builder::new(bytes);
        busybox::file(&mut tar, "root/hidden", 0o644, b"").unwrap();
        tar.into_inner().unwrap()
    };
    busybox::docker_archive(&archive, &["two:v1"], config, &[first, second_layer()]).unwrap();
    let sandbox = rig.sandbox("p");
    let id = rig.block(async |native| {
        native.import_image(archive, None).await.unwrap();
        let config = ContainerConfig { image: "two:v1".into(), log_path: "c.log".into(), ..ContainerConfig::default() };
        let id = native.create_container(&sandbox.id, config).await.unwrap();
        native.start_container(&id).await.unwrap();
        id
    });
    let (status, log) = rig.finish(id);
    assert_eq!(status.stop_signal, "SIGQUIT");
    expect![[r#"
        /etc:
        group
        hostname
        passwd
        resolv.conf

        /root:
        ls: can't open '/root': Permission denied
        4755 1000:50 2
        cat: can't open '/data/seed': Permission denied
        1000
        /srv/app
        y
    "#]]
    .assert_eq(&log);
    let find = |directory: &str| -> Vec<std::path::PathBuf> {
        std::fs::read_dir(rig.path(directory)).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    let layer = find("root/images/layers").into_iter().find(|path| path.join("opt/owned").exists()).unwrap();
    assert_eq!(std::fs::symlink_metadata(layer.join("etc/plain")).unwrap().rdev(), 0);
    assert!(!layer.join("root/hidden").exists());
}

#[test]
fn names_come_and_go_and_the_last_takes_the_layers_along() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let layers = || std::fs::read_dir(rig.path("root/images/layers")).unwrap().count();
    rig.block(async |native| {
        let image = native.image_status("busybox").await.unwrap().unwrap();
        assert_eq!(image.repo_tags, ["docker.io/library/busybox:latest", "example.com/box:1"]);
        for name in [image.id.0.as_str(), "docker.io/library/busybox:latest", "example.com/box:1", &image.id.0[7..]] {
            assert_eq!(native.image_status(name).await.unwrap().unwrap().id, image.id, "{name}");
        }
        assert_eq!(native.image_status("example.com/box:2").await.unwrap(), None);
        assert_eq!(native.list_images().await.unwrap().len(), 1);
        native.remove_image("busybox").await.unwrap();
        assert_eq!((native.list_images().await.unwrap().len(), layers()), (1, 1));
        native.remove_image("example.com/box:1").await.unwrap();
        native.remove_image("example.com/box:1").await.unwrap();
        assert_eq!((native.list_images().await.unwrap().len(), layers()), (0, 0));
    });
}

#[test]
fn a_layer_in_use_is_not_collected() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let sandbox = rig.sandbox("p");
    let id = rig.run(&sandbox, sh("sleep 3600"));
    rig.block(async |native| {
        native.remove_image("busybox").await.unwrap();
        native.remove_image("example.com/box:1").await.unwrap();
        let output =
            native.exec_sync(&id, vec!["echo".into(), "still".into()], std::time::Duration::ZERO).await.unwrap();
        assert_eq!(output.stdout, b"still\n");
    });
}

#[test]
fn broken_archives_leave_nothing() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let check = |name: &str, bytes: &[u8]| {
        let path = rig.path(name);
        std::fs::write(&path, bytes).unwrap();
        rig.block(async |native| {
            let error = native.import_image(path, None).await.unwrap_err();
            assert!(matches!(error, ImageError::Invalid { .. }), "{error:?}");
            assert_eq!(native.list_images().await.unwrap().len(), 1);
        });
    };
    check("empty.tar", b"");
    check("junk.tar", &[0xff; 4096]);
    let good = rig.path("good.tar");
    busybox::docker_archive(&good, &["x"], "{}", &[second_layer()]).unwrap();
    let mut bytes = std::fs::read(&good).unwrap();
    check("cut.tar", &bytes[..bytes.len() / 3]);
    let place = bytes.windows(5).position(|part| part == b"seed\n").unwrap();
    bytes[place] = b'S';
    check("changed.tar", &bytes);
    let mut evil = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_size(1);
    header.set_mode(0o644);
    header.as_old_mut().name[..13].copy_from_slice(b"../../escaped");
    header.set_cksum();
    evil.append(&header, &b"x"[..]).unwrap();
    busybox::docker_archive(&good, &["x"], "{}", &[evil.into_inner().unwrap()]).unwrap();
    check("evil.tar", &std::fs::read(&good).unwrap());
    let mut through = tar::Builder::new(Vec::new());
    busybox::link(&mut through, "out", "/").unwrap();
    busybox::file(&mut through, "out/pintle-escaped", 0o644, b"x").unwrap();
    busybox::docker_archive(&good, &["through"], "{}", &[through.into_inner().unwrap()]).unwrap();
    rig.block(async |native| native.import_image(good, None).await.unwrap());
    assert!(!std::path::Path::new("/pintle-escaped").exists());
    assert_eq!(std::fs::read_dir(rig.path("root/images/tmp")).unwrap().count(), 0);
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(sha2::Sha256::digest(bytes)))
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// Blobs of one image: its digests, and the manifest's.
fn blobs(layers: &[Vec<u8>]) -> (HashMap<String, Vec<u8>>, Vec<u8>) {
    let diff_ids: Vec<String> = layers.iter().map(|layer| format!("{:?}", digest(layer))).collect();
    let config = format!(
        r#"{{"architecture":"amd64","os":"linux","config":{{"Cmd":["sh"],"Env":["PATH=/bin"]}},"rootfs":{{"type":"layers","diff_ids":[{}]}}}}"#,
        diff_ids.join(",")
    );
    let mut all = HashMap::new();
    let mut descriptors = Vec::new();
    for layer in layers {
        let packed = gzip(layer);
        descriptors.push(format!(
            r#"{{"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip","digest":"{}","size":{}}}"#,
            digest(&packed),
            packed.len()
        ));
        all.insert(digest(&packed), packed);
    }
    let manifest = format!(
        r#"{{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{{"mediaType":"application/vnd.oci.image.config.v1+json","digest":"{}","size":{}}},"layers":[{}]}}"#,
        digest(config.as_bytes()),
        config.len(),
        descriptors.join(",")
    );
    all.insert(digest(config.as_bytes()), config.into_bytes());
    (all, manifest.into_bytes())
}

#[test]
fn an_oci_layout_with_gzipped_layers() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let (mut all, manifest) = blobs(&[busybox::layer().unwrap(), second_layer()]);
    let index = format!(
        r#"{{"schemaVersion":2,"manifests":[{{"mediaType":"application/vnd.oci.image.manifest.v1+json","digest":"{}","size":{},"annotations":{{"org.opencontainers.image.ref.name":"example.com/layout:1"}}}}]}}"#,
        digest(&manifest),
        manifest.len()
    );
    let digest_ = digest(&manifest);
    all.insert(digest_.clone(), manifest);
    let directory = rig.path("layout");
    std::fs::create_dir_all(directory.join("blobs/sha256")).unwrap();
    for (name, bytes) in &all {
        std::fs::write(directory.join("blobs").join(name.replace(':', "/")), bytes).unwrap();
    }
    std::fs::write(directory.join("index.json"), index).unwrap();
    let images = rig.block(async |native| native.import_image(directory, None).await.unwrap());
    assert_eq!(images[0].repo_tags, ["example.com/layout:1"]);
    assert_eq!(images[0].repo_digests, [format!("example.com/layout@{digest_}")]);
}

/// A registry that asks for basic authentication, over plain HTTP on loopback.
async fn registry(blobs: HashMap<String, Vec<u8>>, manifest: Vec<u8>, log: Arc<Mutex<Vec<String>>>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (blobs, manifest, log) = (blobs.clone(), manifest.clone(), Arc::clone(&log));
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    let Ok(byte) = stream.read_u8().await else { return };
                    head.push(byte);
                }
                let head = String::from_utf8(head).unwrap();
                let path = head.split(' ').nth(1).unwrap().to_owned();
                log.lock().unwrap().push(path.clone());
                let authorized = head.to_ascii_lowercase().contains("authorization: basic dtpw"); // u:p
                let last = path.rsplit('/').next().unwrap();
                let (status, kind, body) = if !authorized {
                    (
                        "401 Unauthorized",
                        "application/json",
                        br#"{"errors":[{"code":"UNAUTHORIZED","message":"no","detail":null}]}"#.to_vec(),
                    )
                } else if path.contains("/manifests/v1") {
                    ("200 OK", "application/vnd.oci.image.manifest.v1+json", manifest)
                } else if let Some(blob) = blobs.get(last) {
                    ("200 OK", "application/octet-stream", blob.clone())
                } else if path == "/v2/" {
                    ("200 OK", "application/json", b"{}".to_vec())
                } else {
                    (
                        "404 Not Found",
                        "application/json",
                        br#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"no","detail":null}]}"#.to_vec(),
                    )
                };
                let challenge = if authorized { "" } else { "WWW-Authenticate: Basic realm=\"r\"\r\n" };
                let head = format!(
                    "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n{challenge}Connection: close\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all(head.as_bytes()).await;
                let _ = stream.write_all(&body).await;
                let _ = stream.shutdown().await;
            });
        }
    });
    port
}

#[test]
fn a_pull_with_credentials_and_what_it_says_when_refused() {
    if !possible() {
        return;
    }
    let rig = Rig::new();
    let (all, manifest) = blobs(&[busybox::layer().unwrap(), second_layer()]);
    let log = Arc::new(Mutex::new(Vec::new()));
    rig.block(async |native| {
        let port = registry(all, manifest.clone(), Arc::clone(&log)).await;
        let auth = || Some(RegistryAuth::Basic { username: "u".into(), password: "p".into() });
        let name = format!("127.0.0.1:{port}/team/app:v1");
        let image = native.pull_image(&name, auth()).await.unwrap();
        assert_eq!(image.repo_tags, std::slice::from_ref(&name));
        assert_eq!(image.repo_digests, [format!("127.0.0.1:{port}/team/app@{}", digest(&manifest))]);
        let fetched =
            |log: &Mutex<Vec<String>>| log.lock().unwrap().iter().filter(|path| path.contains("/blobs/")).count();
        assert_eq!(fetched(&log), 2, "busybox's layer was here already: one layer and the configuration");
        assert_eq!(native.pull_image(&name, auth()).await.unwrap(), image);
        assert_eq!(fetched(&log), 3, "nothing but the configuration again");
        let missing = native.pull_image(&format!("127.0.0.1:{port}/team/app:v2"), auth()).await.unwrap_err();
        assert!(matches!(missing, ImageError::NotFound { .. }), "{missing:?}");
        let refused = native.pull_image(&name, None).await.unwrap_err();
        assert!(matches!(refused, ImageError::Unauthorized { .. }), "{refused:?}");
        let nobody = native.pull_image("127.0.0.1:1/x", None).await.unwrap_err();
        assert!(matches!(nobody, ImageError::Unavailable { .. }), "{nobody:?}");
        let invalid = native.pull_image("Bad Name", None).await.unwrap_err();
        assert!(matches!(invalid, ImageError::InvalidName { .. }), "{invalid:?}");
    });
}
