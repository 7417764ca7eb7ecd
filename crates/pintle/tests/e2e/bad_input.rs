//! Bad input through kubectl and through a manifest directory: an error in upstream's words, and nothing else happens.

use crate::cluster::Cluster;

/// A pod's manifest, with something wrong in it.
fn pod(spec: &str) -> String {
    format!("apiVersion: v1\nkind: Pod\nmetadata:\n  name: bad\nspec:\n{spec}\n")
}

const CONTAINER: &str = "  containers:\n  - name: a\n    image: nginx\n    imagePullPolicy: Never\n";

/// What `kubectl create -f` says to a manifest.
fn refusal(cluster: &Cluster, manifest: &str) -> String {
    cluster.write("bad.yaml", manifest);
    let words = cluster.refused("kubectl create -f bad.yaml");
    words.trim_end().to_owned()
}

#[test]
fn kubectl_is_told_what_is_wrong() {
    let cluster = Cluster::up("master");
    cluster.ok("kubectl run good --image=nginx --image-pull-policy=Never");

    let words = refusal(&cluster, "apiVersion: v1\nkind: Pod\n  metadata: [");
    assert!(words.starts_with("error: error parsing bad.yaml: error converting YAML to JSON: yaml: line "), "{words}");

    let words = refusal(&cluster, &pod(&format!("{CONTAINER}    imagee: nginx\n  restartpolicy: Never")));
    let strict =
        "error when creating \"bad.yaml\": Pod in version \"v1\" cannot be handled as a Pod: strict decoding error";
    let unknown = r#"unknown field "spec.containers[0].imagee", unknown field "spec.restartpolicy""#;
    assert_eq!(words, format!("Error from server (BadRequest): {strict}: {unknown}"));

    let words = refusal(&cluster, &pod(&format!("{CONTAINER}  terminationGracePeriodSeconds: soon")));
    let wrong =
        "json: cannot unmarshal string into Go struct field PodSpec.spec.terminationGracePeriodSeconds of type int64";
    let start = "error when creating \"bad.yaml\": Pod in version \"v1\" cannot be handled as a Pod";
    assert_eq!(words, format!("Error from server (BadRequest): {start}: {wrong}"));

    let words = refusal(&cluster, &pod("  containers: nginx"));
    let wrong = "json: cannot unmarshal string into Go struct field PodSpec.spec.containers of type []v1.Container";
    assert_eq!(words, format!("Error from server (BadRequest): {start}: {wrong}"));

    let words = refusal(&cluster, &pod("  containers: []\n  restartPolicy: Sometimes"));
    assert_eq!(
        words,
        "The Pod \"bad\" is invalid: \n* spec.containers: Required value\n* spec.restartPolicy: Unsupported value: \
         \"Sometimes\": supported values: \"Always\", \"OnFailure\", \"Never\""
    );

    // an identity that is there already, and a name that cannot be one
    let words = cluster.refused("kubectl run good --image=nginx");
    assert_eq!(words, "Error from server (AlreadyExists): pods \"good\" already exists\n");
    let words = cluster.refused("kubectl run Not_Good --image=nginx");
    // `kubectl run` names the container after the pod, so that both are at fault
    let at_fault: Vec<&str> = words.lines().filter_map(|line| line.split(": a lowercase").next()).collect();
    let of = |path: &str| format!("* {path}: Invalid value: \"Not_Good\"");
    assert_eq!(
        at_fault[..3],
        ["The Pod \"Not_Good\" is invalid: ", &of("metadata.name"), &of("spec.containers[0].name")]
    );

    large_objects(&cluster);
    assert_eq!(cluster.ok("kubectl get pods -o name"), "pod/good\n");
    cluster.ready("good");
}

/// Two megabytes are more than a config map, an annotation or the store takes; four are more than a request may have.
fn large_objects(cluster: &Cluster) {
    let text = "x".repeat(2 << 20);
    cluster.write("large.txt", &text);
    let words = cluster.refused("kubectl create configmap large --from-file=large.txt");
    assert_eq!(
        words,
        "error: failed to create configmap: ConfigMap \"large\" is invalid: []: Too long: may not be more than 1048576 bytes\n"
    );

    let annotated = pod(CONTAINER).replace("  name: bad", &format!("  name: bad\n  annotations:\n    a: {text}"));
    let words = refusal(cluster, &annotated);
    assert_eq!(words, "The Pod \"bad\" is invalid: metadata.annotations: Too long: may not be more than 262144 bytes");

    let words = refusal(cluster, &pod(&format!("{CONTAINER}    env:\n    - name: LARGE\n      value: {text}")));
    assert!(words.ends_with("etcdserver: request is too large"), "{}", &words[..words.len().min(300)]);

    let words = refusal(cluster, &pod(&format!("{CONTAINER}    env:\n    - name: LARGE\n      value: {text}{text}")));
    assert!(words.contains("Request entity too large: limit is 3145728"), "{}", &words[..words.len().min(300)]);
}

#[test]
fn junk_beside_a_static_pod_harms_nobody() {
    let cluster = Cluster::up("master");
    cluster.ok("kubectl run keeper --image=nginx --image-pull-policy=Never --dry-run=client -o yaml > keeper.yaml");
    let manifests = cluster.inside("master", "/etc/kubernetes/manifests");
    let write = |name: &str, content: &[u8]| std::fs::write(manifests.join(name), content).expect("write");

    // in front of the good one in every order of names
    write("00-broken.yaml", b"not: [valid");
    write("01-binary", &(0..=255).cycle().take(100_000).collect::<Vec<u8>>());
    write("02-empty.yaml", b"");
    write("03-service.yaml", b"apiVersion: v1\nkind: Service\nmetadata:\n  name: s\n");
    write("04-no-containers.json", br#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "n"}, "spec": {}}"#);
    write("05-number.yaml", b"5");
    write("06-type.yaml", b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: t\nspec:\n  containers: 7\n");
    write(".hidden.yaml", b"not: [valid");
    write("07-large.yaml", &vec![b'a'; 11 << 20]);
    let secret = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: s\nspec:\n  containers:\n  - name: a\n    image: nginx\n    \
                  envFrom:\n    - secretRef:\n        name: s\n";
    write("08-secret.yaml", secret.as_bytes());
    write("09-deep.yaml", format!("a: {}{}", "[".repeat(20_000), "]".repeat(20_000)).as_bytes());
    std::fs::create_dir(manifests.join("directory")).expect("make a directory");
    std::os::unix::fs::symlink("/nowhere", manifests.join("dangling.yaml")).expect("make a link");
    cluster.ok(&format!("mkfifo {}", manifests.join("pipe.yaml").display()));
    cluster.ok("pintle node exec master -- tee /etc/kubernetes/manifests/zz-keeper.txt < keeper.yaml");

    cluster.ready("keeper-master");
    assert_eq!(cluster.ok("kubectl get pods -o name"), "pod/keeper-master\n");
    // a person at the API sees which file is at fault
    for file in ["00-broken.yaml", "03-service.yaml", "04-no-containers.json", "06-type.yaml", "08-secret.yaml"] {
        cluster.until("kubectl get events --field-selector=involvedObject.kind=Node", |text| text.contains(file));
    }

    // the kubelet comes back with all of it in place, and the pod goes on
    let id = cluster.container_ids("keeper-master");
    cluster.ok("pintle node restart master");
    cluster.ready("keeper-master");
    assert_eq!(cluster.container_ids("keeper-master"), id);
}
