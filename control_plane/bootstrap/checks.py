"""What the settings say about engines and instances, held against what there is."""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.adapters.model_repository import ModelRepository
from control_plane.core.catalogue import Engine, ModelSpec
from control_plane.core.loading import with_parameters
from control_plane.embedded.options import ADDRESS, InstancePorts
from control_plane.errors import ConfigurationError
from control_plane.settings import Settings


def check_repository(settings: Settings) -> None:
    """Raises ConfigurationError where settings and model repository do not go together."""
    engines = ModelRepository.read(settings.model_repository).engines
    check_engines(settings, engines)
    read_fallbacks(settings, engines)


def check_engines(settings: Settings, engines: Mapping[str, Engine]) -> None:
    """Raises ConfigurationError for settings of an engine that the repository lacks."""
    for name in settings.requests.engines:
        if name not in engines:
            known = ", ".join(sorted(engines))
            raise ConfigurationError(
                f"requests.engines.{name} is for no engine of {settings.model_repository}, "
                f"which has: {known}",
                field=f"requests.engines.{name}",
            )


def read_fallbacks(settings: Settings, engines: Mapping[str, Engine]) -> dict[str, str]:
    """The release that each engine falls back to, where the settings name one.

    Raises ConfigurationError for one that the engine does not have.
    """
    wanted = {
        name: engine.fallback
        for name, engine in settings.requests.engines.items()
        if engine.fallback is not None
    }
    for name, release in wanted.items():
        known = engines[name].releases
        if release not in known:
            field = f"requests.engines.{name}.fallback"
            raise ConfigurationError(
                f"{field} is {release!r}, which is no release of {name!r}; it has: "
                f"{', '.join(sorted(known))}",
                field=field,
            )
    return wanted


def instance_urls(settings: Settings, *, with_tritons: bool) -> dict[str, str]:
    """Raises ConfigurationError when an instance is called as an embedded Triton is."""
    urls = {instance.name: instance.grpc_url for instance in settings.instances}
    if with_tritons:
        for index in range(settings.embedded.tritons):
            port = InstancePorts.of(settings.embedded.base_port, index).grpc
            name = f"triton-{index}"
            if name in urls:
                place = [instance.name for instance in settings.instances].index(name)
                raise ConfigurationError(
                    f"instances.{place}.name is {name!r}, as `tidegate up` calls a Triton "
                    "that it starts itself; choose another name",
                    field=f"instances.{place}.name",
                )
            urls[name] = f"{ADDRESS}:{port}"
    return urls


def metrics_urls(settings: Settings, *, with_tritons: bool) -> dict[str, str]:
    """The page to scrape of each instance that has one."""
    urls = {each.name: each.metrics_url for each in settings.instances if each.metrics_url}
    if with_tritons:
        for index in range(settings.embedded.tritons):
            port = InstancePorts.of(settings.embedded.base_port, index).metrics
            urls[f"triton-{index}"] = f"http://{ADDRESS}:{port}/metrics"
    return urls


def limited_spec(settings: Settings, spec: ModelSpec) -> ModelSpec:
    """A model that knows the photos' limits, with the limits of the settings."""
    photos = settings.photos
    limits = {
        "max_bytes": photos.max_bytes,
        "max_pixels": photos.max_pixels,
        "max_full_pixels": photos.max_full_pixels,
    }
    return with_parameters(spec, limits)
