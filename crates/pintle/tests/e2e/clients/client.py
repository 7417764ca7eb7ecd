"""What users of the official Python client do, against the cluster of $KUBECONFIG. The first thing that is not so ends it."""

import json
import tempfile
import threading
import time

from kubernetes import client, config, utils, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import ConflictError, NotFoundError
from kubernetes.stream import portforward, stream

NAMESPACE = "python"
LIMIT_SECONDS = 60

config.load_kube_config()
core = client.CoreV1Api()
dynamic = DynamicClient(client.ApiClient())


def refused(status, call, *arguments, **options):
    """The body of an answer that must be an error with this code."""
    try:
        call(*arguments, **options)
    except ApiException as error:
        assert error.status == status, (error.status, error.body)
        return json.loads(error.body)
    raise AssertionError(f"{call.__name__} was not refused")


def until(what, probe):
    """Waits for a condition."""
    deadline = time.monotonic() + LIMIT_SECONDS
    while time.monotonic() < deadline:
        if probe():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {LIMIT_SECONDS} s")


def typed():
    assert client.VersionApi().get_code().git_version.startswith("v1.36")
    assert "apps" in [group.name for group in client.ApisApi().get_api_versions().groups]
    core.create_namespace(client.V1Namespace(metadata=client.V1ObjectMeta(name=NAMESPACE)))
    until("service account", lambda: [a for a in core.list_namespaced_service_account(NAMESPACE).items if a.metadata.name == "default"])
    for number in range(5):
        metadata = client.V1ObjectMeta(name=f"map-{number}", labels={"parity": "odd" if number % 2 else "even"})
        core.create_namespaced_config_map(NAMESPACE, client.V1ConfigMap(metadata=metadata, data={"n": str(number)}))
    page = core.list_namespaced_config_map(NAMESPACE, limit=2)
    names = [item.metadata.name for item in page.items]
    while page.metadata._continue:
        page = core.list_namespaced_config_map(NAMESPACE, limit=2, _continue=page.metadata._continue)
        names += [item.metadata.name for item in page.items]
    assert names == sorted(names) and len([n for n in names if n.startswith("map-")]) == 5, names
    odd = core.list_namespaced_config_map(NAMESPACE, label_selector="parity=odd").items
    assert [item.metadata.name for item in odd] == ["map-1", "map-3"]
    patched = core.patch_namespaced_config_map("map-1", NAMESPACE, {"data": {"more": "yes"}})
    assert patched.data == {"n": "1", "more": "yes"}
    stale = core.read_namespaced_config_map("map-2", NAMESPACE)
    fresh = core.read_namespaced_config_map("map-2", NAMESPACE)
    fresh.data["n"] = "two"
    core.replace_namespaced_config_map("map-2", NAMESPACE, fresh)
    conflict = refused(409, core.replace_namespaced_config_map, "map-2", NAMESPACE, stale)
    assert conflict["reason"] == "Conflict" and "the object has been modified" in conflict["message"], conflict
    taken = refused(409, core.create_namespaced_config_map, NAMESPACE, {"metadata": {"name": "map-2"}})
    assert taken["message"] == 'configmaps "map-2" already exists', taken
    missing = refused(404, core.read_namespaced_config_map, "nothing", NAMESPACE)
    assert missing["message"] == 'configmaps "nothing" not found', missing
    invalid = refused(422, core.create_namespaced_config_map, NAMESPACE, {"metadata": {"name": "No_Name"}})
    assert invalid["details"]["causes"][0]["field"] == "metadata.name", invalid
    core.delete_collection_namespaced_config_map(NAMESPACE, label_selector="parity")
    until("no maps", lambda: not core.list_namespaced_config_map(NAMESPACE, label_selector="parity").items)


def watched():
    version = core.list_namespaced_config_map(NAMESPACE).metadata.resource_version

    def write():
        core.create_namespaced_config_map(NAMESPACE, {"metadata": {"name": "seen"}, "data": {"a": "1"}})
        core.patch_namespaced_config_map("seen", NAMESPACE, {"data": {"a": "2"}})
        core.delete_namespaced_config_map("seen", NAMESPACE)

    writer = threading.Thread(target=write)
    writer.start()
    seen = []
    stream_of_events = watch.Watch().stream(
        core.list_namespaced_config_map, NAMESPACE, resource_version=version, timeout_seconds=LIMIT_SECONDS,
        field_selector="metadata.name=seen")
    for event in stream_of_events:
        seen.append((event["type"], event["object"].data["a"]))
        if event["type"] == "DELETED":
            break
    writer.join()
    assert seen == [("ADDED", "1"), ("MODIFIED", "2"), ("DELETED", "2")], seen


def applied():
    maps = dynamic.resources.get(api_version="v1", kind="ConfigMap")

    def body(value):
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied", "namespace": NAMESPACE}, "data": {"key": value}}

    made = maps.server_side_apply(body=body("a"), name="applied", namespace=NAMESPACE, field_manager="alice")
    assert made.metadata.managedFields[0].manager == "alice" and made.metadata.managedFields[0].operation == "Apply"
    try:
        maps.server_side_apply(body=body("b"), name="applied", namespace=NAMESPACE, field_manager="bob")
        raise AssertionError("there was no conflict")
    except ConflictError as error:
        message = json.loads(error.body)["message"]
        assert message == 'Apply failed with 1 conflict: conflict with "alice": .data.key', message
    taken = maps.server_side_apply(body=body("b"), name="applied", namespace=NAMESPACE, field_manager="bob", force_conflicts=True)
    assert taken.data.key == "b"
    typed = core.patch_namespaced_config_map(
        "applied", NAMESPACE, body("b"), field_manager="carol", _content_type="application/apply-patch+yaml")
    appliers = [m.manager for m in typed.metadata.managed_fields if m.operation == "Apply"]
    assert sorted(appliers) == ["bob", "carol"], appliers


def dynamically():
    names = {"plural": "boats", "singular": "boat", "kind": "Boat", "shortNames": ["bt"]}
    schema = {"type": "object", "properties": {"spec": {"type": "object", "properties": {
        "sails": {"type": "integer", "minimum": 1}}}}}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    definition = {"metadata": {"name": "boats.python.test"}, "spec": {
        "group": "python.test", "names": names, "scope": "Namespaced", "versions": [version]}}
    extensions = client.ApiextensionsV1Api()
    extensions.create_custom_resource_definition({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", **definition})

    def established():
        status = extensions.read_custom_resource_definition("boats.python.test").status
        return any(c.type == "Established" and c.status == "True" for c in (status and status.conditions) or [])

    until("definition", established)
    dynamic.resources.invalidate_cache()
    boats = dynamic.resources.get(api_version="python.test/v1", kind="Boat")
    boat = {"apiVersion": "python.test/v1", "kind": "Boat", "metadata": {"name": "argo"}, "spec": {"sails": 1}}
    assert boats.create(body=boat, namespace=NAMESPACE).spec.sails == 1
    patch = {"metadata": {"name": "argo"}, "spec": {"sails": 2}}
    assert boats.patch(body=patch, namespace=NAMESPACE, content_type="application/merge-patch+json").spec.sails == 2
    custom = client.CustomObjectsApi()
    wrong = refused(422, custom.patch_namespaced_custom_object, "python.test", "v1", NAMESPACE, "boats", "argo", {"spec": {"sails": 0}})
    assert "spec.sails in body should be greater than or equal to 1" in wrong["message"], wrong
    events = boats.watch(namespace=NAMESPACE, timeout=LIMIT_SECONDS)
    first = next(iter(events))
    assert (first["type"], first["object"].metadata.name) == ("ADDED", "argo")
    boats.delete(name="argo", namespace=NAMESPACE)
    try:
        boats.get(name="argo", namespace=NAMESPACE)
        raise AssertionError("the boat is still there")
    except NotFoundError:
        pass
    extensions.delete_custom_resource_definition("boats.python.test")


def executed():
    manifest = f"""
apiVersion: v1
kind: Pod
metadata: {{name: web, namespace: {NAMESPACE}}}
spec:
  containers: [{{name: web, image: "nginx:latest", imagePullPolicy: IfNotPresent}}]
"""
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(manifest)
        file.flush()
        utils.create_from_yaml(client.ApiClient(), file.name)

    def ready():
        conditions = core.read_namespaced_pod("web", NAMESPACE).status.conditions or []
        return any(c.type == "Ready" and c.status == "True" for c in conditions)

    until("pod", ready)
    shell = ["sh", "-c", "echo out; echo err >&2"]
    answer = stream(core.connect_get_namespaced_pod_exec, "web", NAMESPACE, command=shell, stderr=True, stdin=False, stdout=True, tty=False)
    assert sorted(answer.split()) == ["err", "out"], answer
    shell = ["sh", "-c", "read line; echo got $line; exit 3"]
    session = stream(core.connect_get_namespaced_pod_exec, "web", NAMESPACE, command=shell, stderr=True, stdin=True, stdout=True, tty=False, _preload_content=False)
    session.write_stdin("hello\n")
    session.run_forever(timeout=LIMIT_SECONDS)
    assert session.read_stdout() == "got hello\n"
    assert session.returncode == 3, session.returncode
    session.close()
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", NAMESPACE, ports="80")
    socket = forward.socket(80)
    socket.settimeout(LIMIT_SECONDS)
    socket.sendall(b"GET / HTTP/1.0\r\nHost: web\r\n\r\n")
    answer = b""
    while b"Welcome to nginx!" not in answer:
        piece = socket.recv(4096)
        assert piece, (answer, forward.error(80))
        answer += piece
    until("log", lambda: "GET / HTTP/1.0" in core.read_namespaced_pod_log("web", NAMESPACE))
    eviction = client.V1Eviction(metadata=client.V1ObjectMeta(name="web"))
    core.create_namespaced_pod_eviction("web", NAMESPACE, eviction)

    def gone():
        try:
            core.read_namespaced_pod("web", NAMESPACE)
        except ApiException as error:
            return error.status == 404
        return False

    until("eviction", gone)


def ended():
    core.delete_namespace(NAMESPACE)
    until("namespace", lambda: NAMESPACE not in [n.metadata.name for n in core.list_namespace().items])


for part in (typed, watched, applied, dynamically, executed, ended):
    part()
    print("ok", part.__name__)
