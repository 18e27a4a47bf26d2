from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import settings as bounds
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, ValidationError

from control_plane.errors import ConfigurationError, ErrorCode
from control_plane.settings import LoadedSettings, Settings, flag_of, flatten, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(
    text: str | None = None,
    flags: Mapping[str, object] | None = None,
    **environ: str,
) -> LoadedSettings:
    config = None
    if text is not None:
        config = Path("given.yaml")
        config.write_text(text)
    return load_settings(config, flags or {}, environ)


def refusal(
    text: str | None = None, flags: Mapping[str, object] | None = None, **environ: str
) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as caught:
        load(text, flags, **environ)
    assert caught.value.code is ErrorCode.CONFIGURATION
    return caught.value


def test_defaults_are_what_the_documentation_promises() -> None:
    loaded = load()

    settings = loaded.settings
    assert (settings.http.port, settings.grpc.port) == (9000, 9001)
    assert (settings.embedded.tritons, settings.embedded.base_port) == (2, 8000)
    assert settings.photos.allowed_roots == ()
    assert set(loaded.origins.values()) == {"default"}
    assert set(loaded.origins) == set(flatten(settings))


def test_settings_alone_read_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEGATE_HTTP__PORT", "1")
    Path("tidegate.yaml").write_text("http: {port: 2}")

    assert Settings().http.port == 9000


def test_a_message_must_have_room_for_the_largest_photo() -> None:
    error = refusal(flags={"photos.max_bytes": 1 << 20, "grpc.max_message_bytes": 1 << 20})
    assert error.field == "grpc.max_message_bytes"
    for word in ("grpc.max_message_bytes", "photos.max_bytes", str((1 << 20) + 65_536)):
        assert word in error.message
    load(flags={"photos.max_bytes": 1 << 20, "grpc.max_message_bytes": (1 << 20) + 65_536})


def test_every_setting_has_a_meaning() -> None:
    def check(model: type[BaseModel], name: str) -> None:
        for key, field in model.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and issubclass(kind, BaseModel):
                check(kind, f"{name}{key}.")
            else:
                assert field.description, name + key

    check(Settings, "")


def test_settings_do_not_change() -> None:
    with pytest.raises(ValidationError):
        Settings().http.port = 1  # type: ignore[misc]


def test_flags_win_over_environment_over_file_over_default() -> None:
    loaded = load(
        "http: {port: 1, host: '0.0.0.0'}\ngrpc: {port: 2}\nlog: {level: debug}",
        {"http.port": 5, "grpc.port": None, "embedded.base_port": 7000},
        TIDEGATE_HTTP__PORT="3",
        TIDEGATE_GRPC__PORT="4",
    )

    assert loaded.settings.http.port == 5
    assert loaded.settings.grpc.port == 4
    assert loaded.settings.http.host == "0.0.0.0"
    assert {n: o for n, o in loaded.origins.items() if o != "default"} == {
        "http.port": "flag --http-port",
        "http.host": "file given.yaml",
        "grpc.port": "environment TIDEGATE_GRPC__PORT",
        "log.level": "file given.yaml",
        "embedded.base_port": "flag --triton-base-port",
    }
    assert loaded.origin_of("http") == "default, file given.yaml, flag --http-port"
    assert loaded.origin_of("nonsense") == "default"


def test_the_file_is_found_where_it_should_be() -> None:
    Path("other.yaml").write_text("http: {port: 2}")
    assert load(TIDEGATE_CONFIG="other.yaml").settings.http.port == 2
    Path("tidegate.yaml").write_text("http: {port: 1}")
    assert load().settings.http.port == 1
    assert load(TIDEGATE_CONFIG="other.yaml").settings.http.port == 2
    assert load("http: {port: 3}", TIDEGATE_CONFIG="other.yaml").settings.http.port == 3


def test_the_environment_may_hold_lists_and_engines() -> None:
    instances = [
        {"name": "gpu-0", "grpc_url": "10.0.0.5:8001", "metrics_url": None, "weight": 1.0},
        {
            "name": "gpu-1",
            "grpc_url": "[::1]:8001",
            "metrics_url": "http://[::1]:8002/metrics",
            "weight": 2.5,
        },
    ]

    loaded = load(
        TIDEGATE_INSTANCES=json.dumps(instances),
        TIDEGATE_PHOTOS__ALLOWED_ROOTS="/photos, /more photos",
        TIDEGATE_REQUESTS__ENGINES='{"damage": {"timeout_s": 2}}',
        TIDEGATE_REQUESTS__ENGINES__VOLUME__TIMEOUT_S="3",
        TIDEGATE_STATE_DIR="",
    )

    settings = loaded.settings
    assert [one.model_dump() for one in settings.instances] == instances
    assert settings.photos.allowed_roots == (Path("/photos"), Path("/more photos"))
    timeouts = {name: own.timeout_s for name, own in settings.requests.engines.items()}
    assert timeouts == {"damage": 2, "volume": 3}
    assert loaded.origin_of("instances[0].name") == "environment TIDEGATE_INSTANCES"
    assert loaded.origins["state_dir"] == "default"


def test_a_list_may_be_json_too() -> None:
    loaded = load(TIDEGATE_PHOTOS__ALLOWED_ROOTS='["/a,b"]')

    assert loaded.settings.photos.allowed_roots == (Path("/a,b"),)


def test_engine_names_may_hold_dots() -> None:
    loaded = load("requests: {engines: {roof.v2: {timeout_s: 1}}}")

    assert loaded.settings.requests.engines["roof.v2"].timeout_s == 1
    assert loaded.origins["requests.engines.roof.v2.timeout_s"] == "file given.yaml"


@pytest.mark.parametrize("text", ["", "http:", "http: {}", "# nothing\n"])
def test_an_empty_file_or_section_says_nothing(text: str) -> None:
    assert load(text).settings == Settings()


def test_an_empty_section_does_not_undo_another_source() -> None:
    assert load("http: {port: 3}", TIDEGATE_HTTP="{}").settings.http.port == 3


def test_what_kubernetes_says_of_a_service_is_no_setting() -> None:
    loaded = load(
        TIDEGATE_PORT="tcp://10.0.0.1:9000",
        TIDEGATE_PORT_9000_TCP_ADDR="10.0.0.1",
        TIDEGATE_SERVICE_HOST="10.0.0.1",
        TIDEGATE_SERVICE_PORT_HTTP="9000",
        TIDEGATE_URL="http://127.0.0.1:9000",
        TIDEGATE_TOKEN="t",
        HTTP__PORT="1",
    )

    assert loaded.settings == Settings()


@pytest.mark.parametrize(
    ("environ", "field", "said"),
    [
        (
            {"TIDEGATE_HTTP__PORT": "70000"},
            "http.port",
            "http.port (from environment TIDEGATE_HTTP__PORT) "
            "should be less than or equal to 65535, not '70000'",
        ),
        ({"TIDEGATE_HTTP__PORT": "many"}, "http.port", "should be a valid integer, not 'many'"),
        ({"TIDEGATE_HTTP_PORT": "1"}, "http_port", "did you mean TIDEGATE_HTTP__PORT?"),
        ({"TIDEGATE_HTTP__PROT": "1"}, "http.prot", "did you mean http.port?"),
        ({"TIDEGATE_XYZZY": "1"}, "xyzzy", "environment TIDEGATE_XYZZY names no setting"),
        ({"TIDEGATE_INSTANCES": "[{"}, "instances", "should be JSON"),
        ({"TIDEGATE_HTTP": "9000"}, "http", "should hold names and values"),
        ({"TIDEGATE_LOG__LEVEL": "loud"}, "log.level", "'debug', 'info', 'warning' or 'error'"),
        ({"TIDEGATE_FLEET__LOAD_TIMEOUT_S": "nan"}, "fleet.load_timeout_s", "not 'nan'"),
        (
            {"TIDEGATE_REQUESTS__TIMEOUT_S": "61"},
            "requests.timeout_s",
            "at most requests.max_timeout_s, 60",
        ),
        (
            {"TIDEGATE_REQUESTS__MAX_TIMEOUT_S": "5"},
            "requests.timeout_s",
            "at most requests.max_timeout_s, 5",
        ),
        (
            {"TIDEGATE_EMBEDDED__BASE_PORT": "65000", "TIDEGATE_EMBEDDED__TRITONS": "64"},
            "embedded.base_port",
            "at most 64903 with 64 Tritons",
        ),
        (
            {"TIDEGATE_ADMISSION__MAX_LIMIT": "3"},
            "admission.max_limit",
            "at least admission.min_limit, 4",
        ),
        (
            {"TIDEGATE_ADMISSION__INITIAL_LIMIT": "3"},
            "admission.initial_limit",
            "at least admission.min_limit, 4",
        ),
        (
            {"TIDEGATE_ADMISSION__MAX_LIMIT": "39"},
            "admission.initial_limit",
            "at most admission.max_limit, 39",
        ),
        (
            {"TIDEGATE_ADMISSION__NORMAL_PERCENT": "69"},
            "admission.low_percent",
            "at most admission.normal_percent, 69",
        ),
        ({"TIDEGATE_ADMISSION__TOLERANCE": "2"}, "admission.tolerance", "less than 2"),
        ({"TIDEGATE_GRPC__PORT": "9000"}, "grpc.port", "should differ from http.port, 9000"),
        ({"TIDEGATE_EMBEDDED__TRITONS": "65"}, "embedded.tritons", "less than or equal to 64"),
    ],
)
def test_a_wrong_value_is_told_with_field_origin_and_limit(
    environ: dict[str, str], field: str, said: str
) -> None:
    error = refusal(**environ)

    assert error.field == field
    assert said in error.message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- 1", "settings file given.yaml should hold names and values"),
        ("a: [", "settings file given.yaml is not YAML: "),
        ("http: {prot: 1}", "http.prot is no setting (from file given.yaml); did you mean"),
        ("htpp: {port: 1}", "did you mean http"),
        ("3: x", "3 is no setting (from file given.yaml)"),
        ("instances: {}", "instances (from file given.yaml) should be a list"),
        ("instances: [{name: a}]", "instances[0].grpc_url is missing (from file given.yaml)"),
        ("instances: [{name: A b, grpc_url: 'h:1'}]", "should match pattern '^[a-z0-9-]+$'"),
        ("photos: {allowed_roots: /x}", "photos.allowed_roots (from file given.yaml) should be a"),
        (
            "instances: [{name: a, grpc_url: 'h:1'}, {name: a, grpc_url: 'h:2'}]",
            "instances (from file given.yaml) names two instances 'a'",
        ),
        ("requests: {engines: {'a b': {timeout_s: 1}}}", "requests.engines.a b (from"),
        ("requests: {engines: {a: {timeout_s: 0}}}", "should be greater than 0, not 0"),
    ],
)
def test_a_wrong_file_is_told(text: str, said: str) -> None:
    assert said in refusal(text).message


@pytest.mark.parametrize(
    "url", ["", "host", ":1", "host:", "host:0", "host:65536", "http://h:1", "::1:8001", "a b:1"]
)
def test_an_instance_needs_host_and_port(url: str) -> None:
    error = refusal(f"instances: [{{name: a, grpc_url: {url!r}}}]")

    assert error.field == "instances[0].grpc_url"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:8002/metrics",
        "https://h:8002/metrics",
        "http://h/metrics",
        "http://h:8002",
        "http://h:8002/",
        "http://u@h:8002/metrics",
        "http://h:8002/a b",
        "http://h:8002/m#x",
        "http://h:0/metrics",
        "http://h:8002/" + "m" * 500,
    ],
)
def test_metrics_are_at_a_whole_url(url: str) -> None:
    error = refusal(f"instances: [{{name: a, grpc_url: 'h:1', metrics_url: {url!r}}}]")

    assert error.field == "instances[0].metrics_url"


def test_everything_that_is_wrong_is_told_at_once() -> None:
    message = refusal("http: {port: -1}", {"grpc.port": 70_000}).message

    assert "http.port (from file given.yaml)" in message
    assert "grpc.port (from flag --grpc-port)" in message


@pytest.mark.parametrize("path", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_an_error(path: str) -> None:
    with pytest.raises(ConfigurationError, match="cannot read settings file"):
        load_settings(Path(path), {}, {})


def test_a_file_of_no_text_is_an_error() -> None:
    Path("given.yaml").write_bytes(b"http: \xff\xfe")

    with pytest.raises(ConfigurationError, match=r"given\.yaml is not YAML"):
        load_settings(Path("given.yaml"), {}, {})


def test_secrets_come_out_masked() -> None:
    class WithSecret(BaseModel):
        token: SecretStr = SecretStr("hunter2")

    assert "hunter2" not in str(flatten(WithSecret()))


def test_a_secret_of_no_good_is_not_repeated() -> None:
    from control_plane.settings.sources import explain

    class WithSecret(BaseModel):
        token: int

    with pytest.raises(ValidationError) as caught:
        WithSecret.model_validate({"token": "hunter2"})

    assert "hunter2" not in explain(caught.value.errors()[0], {})


SECRET_URL = "postgresql://ada:hunter2@db.example:5433/tidegate?ssl=require"


def test_the_state_is_in_a_file_unless_a_database_is_named() -> None:
    assert load().settings.store_location == Path("state/tidegate.db")
    assert load(flags={"state_dir": "/var/lib/x"}).settings.store_location == Path(
        "/var/lib/x/tidegate.db"
    )
    named = load(TIDEGATE_STORE__URL=SECRET_URL, TIDEGATE_STORE__TIMEOUT_S="2").settings
    assert named.store_location == SECRET_URL
    assert named.store.timeout_s == 2


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (SECRET_URL, "postgresql://ada:***@db.example:5433/tidegate?ssl=require"),
        ("postgres://ada:hunter2%2F@db/t", "postgres://ada:***@db/t"),
        ("postgresql://ada@db:5432/t", "postgresql://ada@db:5432/t"),
        ("postgresql://ada@/t?host=/run/postgresql", "postgresql://ada@/t?host=/run/postgresql"),
        ("sqlite:////var/lib/t.db", "sqlite:////var/lib/t.db"),
    ],
)
def test_the_url_of_the_store_is_shown_without_its_password(url: str, shown: str) -> None:
    settings = load(TIDEGATE_STORE__URL=url).settings

    assert flatten(settings)["store.url"] == shown
    assert "hunter2" not in repr(settings) + str(settings)


@pytest.mark.parametrize(
    "url",
    [
        "hunter2",
        "mysql://ada:hunter2@db/t",
        "postgresql://ada:hunter2@db",
        "postgresql://ada:hunter2@db/",
        "postgresql://ada:hunt/er2@db/t",
        "postgresql://ada:a@hunter2:b@db/t",
        "sqlite://hunter2",
        "sqlite:///",
        "postgresql://ada@db/t?password=hunter2",
        "postgresql://ada@db/t?ssl=require&PASSWORD=hunter2",
    ],
)
def test_a_url_that_is_no_store_is_not_repeated(url: str) -> None:
    error = refusal(TIDEGATE_STORE__URL=url)

    assert error.field == "store.url"
    assert "store.url (from environment TIDEGATE_STORE__URL) should" in error.message
    for part in ("hunter2", "hunt/er2"):
        assert part not in error.message + repr(error)


@pytest.mark.parametrize("text", ["store: 'sqlite:///hunter2'", "store_url: 'sqlite:///hunter2'"])
def test_a_secret_in_the_wrong_place_is_not_repeated(text: str) -> None:
    assert "hunter2" not in refusal(text).message


def test_flags_are_named_after_their_setting() -> None:
    names = ("http.port", "model_repository", "embedded.tritons", "embedded.base_port")

    assert [flag_of(name) for name in names] == [
        "--http-port",
        "--model-repository",
        "--tritons",
        "--triton-base-port",
    ]


ports = st.integers(min_value=1, max_value=65_535)
seconds = st.floats(min_value=0.05, max_value=60, allow_nan=False)
documents = st.fixed_dictionaries(
    {},
    optional={
        "http": st.fixed_dictionaries({}, optional={"port": ports.filter(lambda p: p != 9001)}),
        "fleet": st.fixed_dictionaries(
            {}, optional={"observe_interval_s": seconds, "observe_timeout_s": seconds}
        ),
        "requests": st.fixed_dictionaries(
            {},
            optional={
                "engines": st.dictionaries(
                    st.from_regex(r"[a-z][a-z0-9_.-]{0,20}", fullmatch=True),
                    st.fixed_dictionaries({"timeout_s": seconds}),
                    max_size=4,
                )
            },
        ),
        "log": st.fixed_dictionaries({"level": st.sampled_from(["debug", "error"])}),
    },
)


# No deadline: a busy machine is no defect.
@bounds(deadline=None, max_examples=50)
@given(document=documents)
def test_what_is_shown_can_be_loaded_again(
    document: dict[str, object], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("settings")
    first, second = folder / "first.yaml", folder / "second.yaml"
    first.write_text(yaml.safe_dump(document))
    loaded = load_settings(first, {}, {})

    second.write_text(yaml.safe_dump(loaded.settings.model_dump(mode="json")))

    assert load_settings(second, {}, {}).settings == loaded.settings


@pytest.mark.parametrize("uri", ["", "http://mlflow:5000", "https://m.example", "sqlite:///m.db"])
def test_where_the_registry_may_be(uri: str) -> None:
    settings = load(f"registry: {{kind: mlflow, tracking_uri: '{uri}'}}").settings
    assert (settings.registry.kind, settings.registry.tracking_uri) == ("mlflow", uri)


def test_releases_are_files_until_mlflow_is_asked_for() -> None:
    registry = load().settings.registry
    assert (registry.kind, registry.tracking_uri) == ("files", "")
    assert registry.max_onnx_bytes == 512 * 1024 * 1024


@pytest.mark.parametrize(
    ("text", "field", "complaint"),
    [
        ("{kind: git}", "registry.kind", "should be 'files' or 'mlflow'"),
        ("{tracking_uri: 'ftp://x'}", "registry.tracking_uri", "should begin with http://"),
        ("{poll_interval_s: 0}", "registry.poll_interval_s", "greater than or equal to 0.2"),
        ("{max_onnx_bytes: 4294967296}", "registry.max_onnx_bytes", "less than or equal to"),
    ],
)
def test_what_the_registry_may_not_be(text: str, field: str, complaint: str) -> None:
    error = refusal(f"registry: {text}")
    assert error.field == field
    assert complaint in error.message


@pytest.mark.parametrize(
    ("text", "field", "words"),
    [
        ("jobs: {first_retry_s: 301}", "jobs.longest_retry_s", "jobs.first_retry_s, 301"),
        (
            "results: {first_retry_s: 60, longest_retry_s: 5}",
            "results.longest_retry_s",
            "results.first_retry_s, 60",
        ),
        ("uploads: {max_bytes: 2000000}", "uploads.max_bytes", "photos.max_bytes, 20971520"),
        ("cache: {url: 'redis://cache'}", "cache.url", "only if cache.kind is redis"),
    ],
)
def test_what_does_not_go_together_is_told(text: str, field: str, words: str) -> None:
    error = refusal(text)
    assert error.field == field
    assert words in error.message


def test_a_bound_of_the_folder_is_nothing_to_a_bucket() -> None:
    load("uploads: {max_bytes: 2000000, url: 's3://roofs'}")


def test_a_cache_that_is_off_may_keep_its_url() -> None:
    load("cache: {kind: 'off', url: 'redis://cache'}")


def test_the_registrys_address_holds_no_password() -> None:
    error = refusal("registry: {tracking_uri: 'http://ann:pw@mlflow'}")
    assert "MLFLOW_TRACKING_PASSWORD" in error.message
    assert "ann:pw" not in error.message


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("results: {webhook_url: metadata.example}", "results.webhook_url"),
        ("results: {webhook_url: 'https://user:hidden@metadata.example/'}", "results.webhook_url"),
        ("results: {webhook_url: 'https://metadata.example/#x'}", "results.webhook_url"),
        ("results: {webhook_url: 'https://metadata.example:x/'}", "results.webhook_url"),
        ("results: {webhook_secret: ''}", "results.webhook_secret"),
        ("results: {webhook_secret: 'whsec_hidden%%'}", "results.webhook_secret"),
        ("results: {webhook_secret: 'whsec_hidde'}", "results.webhook_secret"),
    ],
)
def test_what_the_webhook_may_not_be(text: str, field: str) -> None:
    message = str(refusal(text))
    assert field in message
    assert "hidden" not in message


def test_results_are_sent_where_the_settings_say_and_their_secret_is_not_shown() -> None:
    assert not load().settings.results.is_sent
    loaded = load(
        "results: {webhook_url: 'https://[::1]:8443/in?a=b', webhook_secret: whsec_aGlkZGVu}"
    )
    assert loaded.settings.results.is_sent
    assert "aGlkZGVu" not in repr(loaded.settings)


def test_names_of_hosts_are_kept_in_lower_case() -> None:
    names = ("Gate.Example", ".lan.example", "*.pods.example", "*", "gate", "10.1.2.3")
    assert Settings(http={"allowed_hosts": names}).http.allowed_hosts == (
        "gate.example",
        *names[1:],
    )


@pytest.mark.parametrize(
    "name",
    ["", "gate.example:9000", "http://gate.example", "gate.*", "**", "*gate.example", "..example",
     "gate.example.", "[::1]", "::1", "gate example", "bücher.example"],
)  # fmt: skip
def test_a_name_that_may_be_asked_by_is_a_host_without_port(name: str) -> None:
    for variable in ("TIDEGATE_HTTP__ALLOWED_HOSTS", "TIDEGATE_WORKER__HTTP_ALLOWED_HOSTS"):
        assert "name of a host without a port" in refusal(**{variable: json.dumps([name])}).message
