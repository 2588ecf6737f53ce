"""Fields of a result turned into the structures of OPC 40100-1, as method outputs and events.

Loaded only by a server that has the node set: asyncua makes the classes from it at run time.
"""

from __future__ import annotations

from typing import Any

from keenline.publish.opc40100_asyncua import ua
from keenline.publish.opc40100_control import KnownConfiguration, KnownRecipe
from keenline.publish.opc40100_results import VisionResult

Variants = list[ua.Variant]

_TYPES: Any = ua
_HASH = "SHA-256"


def structure(value: Any) -> ua.Variant:
    """A structure, or a list of them, as a method output."""
    return ua.Variant(value, ua.VariantType.ExtensionObject, is_array=isinstance(value, list))


def event_fields(result: VisionResult) -> dict[str, Any]:
    """The fields of a ResultReady event (section 8.3.8): everything there is, content too."""
    fields = _fields(result)
    del fields["HasTransferableDataOnFile"]
    return fields


def as_structure(result: VisionResult, *, with_content: bool = True) -> Any:
    """A ResultDataType (section 12.18)."""
    fields = _fields(result)
    if not with_content:
        fields["ResultContent"] = None
    return _TYPES.ResultDataType(**fields)


def as_components(result: VisionResult) -> dict[str, ua.Variant]:
    """The fields of a result, each as the output of a method of its own name."""
    kinds = {
        "HasTransferableDataOnFile": ua.VariantType.Boolean,
        "IsPartial": ua.VariantType.Boolean,
        "IsSimulated": ua.VariantType.Boolean,
        "ResultState": ua.VariantType.Int32,
        "CreationTime": ua.VariantType.DateTime,
        "ResultContent": ua.VariantType.Variant,
    }
    return {
        name: ua.Variant(
            value,
            kinds.get(name, ua.VariantType.ExtensionObject),
            is_array=isinstance(value, list),
        )
        for name, value in _fields(result).items()
    }


def job_id(text: str) -> Any:
    return _TYPES.JobIdDataType(Id=text)


def internal_recipe(recipe: KnownRecipe) -> Any:
    """Its id is the hash of the recipe, its version that of the bundle."""
    return _identity("RecipeIdInternalDataType", recipe.internal_id, recipe.bundle_id)


def empty_recipe() -> Any:
    return _TYPES.RecipeIdInternalDataType(Id="")


def configuration(known: KnownConfiguration) -> Any:
    """A ConfigurationDataType (section 12.6)."""
    return _TYPES.ConfigurationDataType(
        HasTransferableDataOnFile=False,
        ExternalId=_TYPES.ConfigurationIdDataType(Id=known.external_id),
        InternalId=_identity("ConfigurationIdDataType", known.internal_id),
        LastModified=known.last_modified,
    )


def _fields(result: VisionResult) -> dict[str, Any]:
    return {
        "ResultId": _TYPES.ResultIdDataType(Id=result.result_id),
        "HasTransferableDataOnFile": False,
        "IsPartial": False,
        "IsSimulated": result.is_simulated,
        "ResultState": result.state,
        "MeasId": _TYPES.MeasIdDataType(Id=result.meas_id),
        "PartId": _TYPES.PartIdDataType(Id=result.part_id),
        "ExternalRecipeId": _TYPES.RecipeIdExternalDataType(Id=result.external_recipe),
        "InternalRecipeId": _identity(
            "RecipeIdInternalDataType", result.internal_recipe, result.bundle
        ),
        "ProductId": _TYPES.ProductIdDataType(Id=result.product_id),
        "ExternalConfigurationId": _TYPES.ConfigurationIdDataType(Id=result.external_configuration),
        "InternalConfigurationId": _identity(
            "ConfigurationIdDataType", result.internal_configuration
        ),
        "JobId": job_id(result.job_id),
        "CreationTime": result.created,
        "ProcessingTimes": _TYPES.ProcessingTimesDataType(
            StartTime=result.started,
            EndTime=result.created,
            AcquisitionDuration=result.acquisition_ms,
            ProcessingDuration=result.processing_ms,
        ),
        "ResultContent": _content(result),
    }


def _content(result: VisionResult) -> Variants:
    """Verdict, what the line was told, error code, score, reasons, and everything as JSON."""
    return [
        ua.Variant(result.verdict, ua.VariantType.String),
        ua.Variant(result.actuates, ua.VariantType.String),
        ua.Variant(result.code, ua.VariantType.Int32),
        ua.Variant(float("nan") if result.score is None else result.score, ua.VariantType.Double),
        ua.Variant(list(result.reasons), ua.VariantType.String, is_array=True),
        ua.Variant(result.document, ua.VariantType.String),
    ]


def _identity(kind: str, sha256: str, version: str | None = None) -> Any:
    try:
        digest = bytes.fromhex(sha256)
    except ValueError:
        digest = b""
    return getattr(_TYPES, kind)(
        Id=sha256,
        Version=version or None,
        Hash=digest or None,
        HashAlgorithm=_HASH if digest else None,
    )
