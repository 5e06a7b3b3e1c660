"""Every model in this folder: NAME.safetensors, with its card NAME.md and its critic NAME-critic.safetensors."""

from pathlib import Path

from zoo import Register, hookimpl

FOLDER = Path(__file__).parent
CRITIC = "-critic"


@hookimpl
def zoo_components(register: Register) -> None:
    """Offer the models that are there; the first line of a card is the summary."""
    for file in sorted(FOLDER.glob("*.safetensors")):
        if file.stem.endswith(CRITIC):
            continue
        card, critic = file.with_suffix(".md"), file.with_name(f"{file.stem}{CRITIC}.safetensors")
        summary = card.read_text(encoding="utf-8").partition("\n")[0].lstrip("# ") if card.is_file() else ""
        register.model(
            file.stem,
            f"zoo_models:{file.name}",
            summary=summary or "A trained model",
            critic=f"zoo_models:{critic.name}" if critic.is_file() else "",
        )
