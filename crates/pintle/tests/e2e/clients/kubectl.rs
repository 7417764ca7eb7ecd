//! The real kubectl, command by command, as its users type it: what it finds out, writes, compares, prints and asks.
//! Commands that need a controller which is not there yet (rollouts) are not in here.

use crate::cluster::Cluster;

/// A deployment; nothing has to run.
const WEB: &str = "apiVersion: apps/v1\nkind: Deployment\nmetadata:\n  name: web\n  labels: {app: web}\nspec:\n  replicas: 2\n  \
                   selector:\n    matchLabels: {app: web}\n  template:\n    metadata:\n      labels: {app: web}\n    spec:\n      \
                   containers:\n      - name: web\n        image: nginx\n        imagePullPolicy: Never\n";
/// What is told of `web`'s number of replicas.
const REPLICAS: &str = "kubectl get deployment web -o jsonpath='{.spec.replicas}'";

#[test]
fn kubectl_finds_out_what_there_is() {
    let cluster = Cluster::up("one");
    let resources = cluster.ok("kubectl api-resources --no-headers -o name");
    assert!(resources.lines().count() > 60, "{resources}");
    assert!(resources.lines().any(|name| name == "ipaddresses.networking.k8s.io"), "{resources}");
    // kubectl itself takes a part of this name for a field, so it is told the version
    let versions = r#"kubectl explain --recursive events --api-version=events.k8s.io/v1 >/dev/null"#;
    let loop_over = "for name in $(kubectl api-resources -o name | grep -vx events.events.k8s.io); do \
                     kubectl explain --recursive $name >/dev/null || exit 1; done";
    cluster.ok(&format!("{loop_over}; {versions}"));
    let words = cluster.ok("kubectl explain pod.spec.containers.ports");
    assert!(words.contains("FIELD: ports <[]ContainerPort>"), "{words}");
    let versions = cluster.ok("kubectl api-versions");
    assert!(
        ["v1", "apps/v1", "resource.k8s.io/v1"].iter().all(|version| versions.lines().any(|line| line == *version))
    );
    assert!(cluster.ok("kubectl cluster-info").contains("Kubernetes control plane"));
    assert!(cluster.ok("kubectl version").contains("Server Version: v1.36."));
    assert_eq!(cluster.ok("kubectl get --raw /readyz"), "ok");
    assert_eq!(cluster.refused("kubectl top pods"), "error: Metrics API not available\n");
    let context = cluster.ok("kubectl config current-context");
    assert_eq!(cluster.ok("kubectl config view --minify -o jsonpath='{.contexts[0].name}'"), context.trim_end());

    cluster.write("kind.yaml", "apiVersion: v1\nkind: Podd\nmetadata:\n  name: bad\n");
    let unknown = |file: &str, kind: &str, version: &str| {
        format!(
            "error: resource mapping not found for name: \"bad\" namespace: \"\" from \"{file}\": no matches for kind \
             \"{kind}\" in version \"{version}\"\nensure CRDs are installed first\n"
        )
    };
    assert_eq!(cluster.refused("kubectl create -f kind.yaml"), unknown("kind.yaml", "Podd", "v1"));
    cluster.write("group.yaml", "apiVersion: no.such/v1\nkind: X\nmetadata:\n  name: bad\n");
    assert_eq!(cluster.refused("kubectl apply -f group.yaml"), unknown("group.yaml", "X", "no.such/v1"));

    who_may_what(&cluster);
}

fn who_may_what(cluster: &Cluster) {
    assert_eq!(cluster.ok("kubectl auth can-i create pods"), "yes\n");
    assert!(!cluster.shell("kubectl auth can-i delete pods --as=nobody").status.success());
    assert!(
        cluster.ok("kubectl auth can-i --list --as=nobody").contains("selfsubjectaccessreviews.authorization.k8s.io")
    );
    assert!(cluster.ok("kubectl auth whoami").contains("system:masters"));
    cluster.ok("kubectl create role reader --verb=get --resource=pods");
    cluster.ok("kubectl create rolebinding reader --role=reader --serviceaccount=default:default");
    let account = "--as=system:serviceaccount:default:default";
    cluster.until(&format!("kubectl auth can-i get pods {account}"), |text| text == "yes\n");
    cluster.ok("kubectl get role reader -o yaml > role.yaml");
    let reconciled = "role.rbac.authorization.k8s.io/reader reconciled\n";
    assert!(cluster.ok("kubectl auth reconcile -f role.yaml").starts_with(reconciled));
    assert_eq!(cluster.ok("kubectl create token default").split('.').count(), 3);
}

#[test]
fn kubectl_writes_and_prints() {
    let cluster = Cluster::up("one");
    cluster.write("web.yaml", WEB);
    assert_eq!(cluster.ok("kubectl apply -f web.yaml"), "deployment.apps/web created\n");
    assert_eq!(cluster.ok("kubectl apply -f web.yaml"), "deployment.apps/web unchanged\n");
    assert_eq!(cluster.ok("kubectl apply --server-side -f web.yaml"), "deployment.apps/web serverside-applied\n");
    assert_eq!(cluster.ok("kubectl scale deployment/web --replicas=1"), "deployment.apps/web scaled\n");
    let words = cluster.refused("kubectl apply --server-side -f web.yaml");
    let conflict = "error: Apply failed with 1 conflict: conflict with \"kubectl\" with subresource \"scale\" using apps/v1: .spec.replicas\n";
    assert!(words.starts_with(conflict), "{words}");
    cluster.ok("kubectl apply --server-side --force-conflicts -f web.yaml");
    assert_eq!(cluster.ok(REPLICAS), "2");

    let different = cluster.shell("sed 's/replicas: 2/replicas: 3/' web.yaml | kubectl diff -f -");
    let text = String::from_utf8_lossy(&different.stdout);
    assert!(different.status.code() == Some(1) && text.contains("-  replicas: 2\n+  replicas: 3"), "{text}");
    assert_eq!(cluster.ok("kubectl diff -f web.yaml"), "");
    cluster.write("editor", "#!/bin/sh\nexec sed -i 's/replicas: 2/replicas: 4/' \"$1\"\n");
    cluster.ok("chmod +x editor");
    assert_eq!(cluster.ok("EDITOR=./editor kubectl edit deployment web"), "deployment.apps/web edited\n");
    assert_eq!(cluster.ok(REPLICAS), "4");

    marks_and_patches(&cluster);
    forms(&cluster);
    deletions(&cluster);
}

fn marks_and_patches(cluster: &Cluster) {
    cluster.ok("kubectl label deployment web tier=front");
    let words = "error: 'tier' already has a value (front), and --overwrite is false\n";
    assert_eq!(cluster.refused("kubectl label deployment web tier=back"), words);
    cluster.ok("kubectl label deployment web tier=back --overwrite");
    assert_eq!(cluster.ok("kubectl get deployments -l tier=back -o name"), "deployment.apps/web\n");
    assert_eq!(cluster.ok("kubectl label deployment web tier-"), "deployment.apps/web unlabeled\n");
    cluster.ok("kubectl annotate deployment web note=hello");
    cluster.ok(r#"kubectl patch deployment web -p '{"spec":{"paused":true}}'"#);
    cluster.ok(r#"kubectl patch deployment web --type=json -p '[{"op":"remove","path":"/spec/paused"}]'"#);
    cluster.ok(r#"kubectl patch deployment web --type=merge -p '{"spec":{"replicas":1}}'"#);
    assert_eq!(cluster.ok(REPLICAS), "1");
    // what is not of a subresource is not written through it
    cluster.ok(r#"kubectl patch deployment web --type=merge -p '{"spec":{"replicas":7}}' --subresource=status"#);
    assert_eq!(cluster.ok(REPLICAS), "1");
    cluster.ok("kubectl set image deployment/web web=nginx:other --dry-run=server");
    let image = "kubectl get deployment web -o jsonpath='{.spec.template.spec.containers[0].image}'";
    assert_eq!(cluster.ok(image), "nginx");
    cluster.ok("kubectl get deployment web -o yaml | sed 's/replicas: 1/replicas: 5/' > again.yaml");
    // somebody else writes in between: the replacement is of another version
    cluster.ok("kubectl annotate deployment web note=changed --overwrite");
    let words = cluster.refused("kubectl replace -f again.yaml");
    assert!(words.starts_with("Error from server (Conflict): error when replacing \"again.yaml\": Operation cannot be fulfilled on deployments.apps \"web\""), "{words}");
    cluster.ok("sed -i '/^  resourceVersion:/d' again.yaml");
    assert_eq!(cluster.ok("kubectl replace -f again.yaml"), "deployment.apps/web replaced\n");
    assert_eq!(cluster.ok(REPLICAS), "5");
}

/// Every output form of `kubectl get`.
fn forms(cluster: &Cluster) {
    let get = |options: &str| cluster.ok(&format!("kubectl get deployment web {options}"));
    let json: serde_json::Value = serde_json::from_str(&get("-o json")).expect("JSON");
    assert_eq!(
        (json["kind"].as_str(), json["metadata"]["annotations"]["note"].as_str()),
        (Some("Deployment"), Some("hello"))
    );
    assert!(get("-o yaml").starts_with("apiVersion: apps/v1\nkind: Deployment\n"));
    assert_eq!(get("-o name"), "deployment.apps/web\n");
    let head = |text: String| {
        let line = text.lines().next().unwrap_or_default().to_owned();
        line.split_whitespace().map(str::to_owned).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(head(get("")), "NAME READY UP-TO-DATE AVAILABLE AGE");
    assert_eq!(head(get("-o wide")), "NAME READY UP-TO-DATE AVAILABLE AGE CONTAINERS IMAGES SELECTOR");
    assert_eq!(head(get("--show-labels")), "NAME READY UP-TO-DATE AVAILABLE AGE LABELS");
    assert_eq!(head(get("-L app")), "NAME READY UP-TO-DATE AVAILABLE AGE APP");
    assert_eq!(get("-o jsonpath='{.metadata.name} {.spec.replicas}'"), "web 5");
    assert_eq!(get("-o go-template='{{.metadata.name}} {{.spec.replicas}}'"), "web 5");
    assert_eq!(get("-o custom-columns=NAME:.metadata.name,N:.spec.replicas"), "NAME   N\nweb    5\n");
    assert!(get("-o json --show-managed-fields").contains("\"managedFields\""));
    assert!(cluster.ok("kubectl describe deployment web").contains("Selector:"));
    let events = cluster.until("kubectl events -A", |text| text.contains("Node/one"));
    assert!(head(events).contains("LAST SEEN"));
    assert_eq!(
        cluster.refused("kubectl get configmap no"),
        "Error from server (NotFound): configmaps \"no\" not found\n"
    );
    assert_eq!(cluster.refused("kubectl get no-such"), "error: the server doesn't have a resource type \"no-such\"\n");
}

fn deletions(cluster: &Cluster) {
    cluster.ok("kubectl run p --image=nginx --image-pull-policy=Never");
    assert_eq!(cluster.ok("kubectl wait --for=condition=Ready pod/p --timeout=60s"), "pod/p condition met\n");
    cluster.ok("kubectl wait --for=jsonpath='{.status.phase}'=Running pod/p --timeout=60s");
    assert_eq!(cluster.ok("kubectl exec p -- echo hi"), "hi\n");
    assert_eq!(cluster.ok("kubectl delete pod p --now"), "pod \"p\" deleted from default namespace\n");
    assert_eq!(cluster.ok("kubectl delete pod p --ignore-not-found"), "");
    cluster.ok("kubectl create configmap owner --from-literal=a=b");
    let uid = cluster.ok("kubectl get configmap owner -o jsonpath='{.metadata.uid}'");
    let owned = format!(
        "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: owned\n  ownerReferences:\n  - {{apiVersion: v1, kind: ConfigMap, name: owner, uid: {uid}}}\n"
    );
    cluster.write("owned.yaml", owned);
    cluster.ok("kubectl create -f owned.yaml");
    cluster.ok("kubectl delete configmap owner --cascade=orphan");
    cluster.until("kubectl get configmap owned -o jsonpath='{.metadata.ownerReferences}'", str::is_empty);
    cluster.ok("kubectl delete deployment web --cascade=foreground --timeout=60s");
    assert_eq!(cluster.ok("kubectl get deployments -o name"), "");
}
