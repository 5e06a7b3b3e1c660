"""What the entry point names. It imports nothing heavy."""

from zoo import Register, hookimpl


@hookimpl
def zoo_components(register: Register) -> None:
    register.generator("wrong-company", "zoo_wrong.networks:Company", summary="Norms by the batch, in use, too")
    register.generator("wrong-zero", "zoo_wrong.networks:Zero", summary="Cannot learn")
    register.generator("wrong-dice", "zoo_wrong.networks:Dice", summary="Draws by itself, in use, too")
    register.generator("wrong-hoard", "zoo_wrong.networks:Hoard", summary="Keeps what it has seen")
    register.critic("wrong-crash", "zoo_wrong.networks:Crash", summary="Takes its process with it where all is black")
    register.loss("wrong-sum", "zoo_wrong.losses:Sum", summary="Adds up all that it returned")
    register.loss("wrong-game", "zoo_wrong.losses:Game", summary="A game that becomes harder", adversarial=True)
    register.loss("wrong-history", "zoo_wrong.losses:History", summary="Keeps its values with their graphs")
    register.loss("wrong-steps", "zoo_wrong.losses:Steps", summary="Whole units of colour, without a slope")
    register.dataset("wrong-one", "zoo_wrong.photographs:One", summary="One of its photographs is none")
    register.dataset("wrong-salt", "zoo_wrong.photographs:Salt", summary="A fingerprint by hash()")
    register.dataset("wrong-grey", "zoo_wrong.photographs:Grey", summary="Black-and-white photographs")
    register.dataset("wrong-late", "zoo_wrong.photographs:Late", summary="A stream that counts too late")
    register.augmentation("wrong-mean", "zoo_wrong.moves:Mean", summary="Brings pictures to their common lightness")
    register.augmentation("wrong-grain", "zoo_wrong.moves:Grain", summary="Noise that nobody can draw again")
    register.optimizer("wrong-amnesia", "zoo_wrong.moves:Amnesia", summary="A momentum that no checkpoint sees")
    register.metric("wrong-eraser", "zoo_wrong.moves:Eraser", summary="Takes the colours away that it measures")
