"""Small data sets, each written to the public specification of its format."""

from pathlib import Path

import pytest


def write(folder: Path, files: dict[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text, encoding="utf-8")
    return folder


OBO = """\
format-version: 1.2
data-version: hp/releases/2025-01-16
ontology: hp.obo
property_value: dc:title "Small ontology" xsd:string
property_value: terms:license https://example.org/license

[Term]
id: HP:0000118
name: Phenotypic abnormality

[Term]
id: HP:0002212
name: Curly hair
def: "Hair that curls." [X:1]
synonym: "Kinky hair" EXACT []
synonym: "Odd hair" RELATED []
is_a: HP:0000118 ! Phenotypic abnormality

[Term]
id: HP:0040281
name: Very frequent
is_a: HP:0000118 {xref="X:1"} ! Phenotypic abnormality

[Term]
id: HP:0009999
name: Gone
is_obsolete: true

[Typedef]
id: part_of
name: part of
"""
HPOA = """\
#description: "HPO annotations for rare diseases"
#version: 2025-01-16
database_id\tdisease_name\tqualifier\thpo_id\treference\tevidence\tonset\tfrequency\tsex\tmodifier\taspect\tbiocuration
ORPHA:1\tWoolly hair nevus\t\tHP:0002212\tORPHA:1\tTAS\t\tHP:0040281\t\t\tP\tORPHA:x[2025-01-16]
ORPHA:1\tWoolly hair nevus\tNOT\tHP:0040281\tORPHA:1\tTAS\t\t\t\t\tP\tORPHA:x[2025-01-16]
ORPHA:1\tWoolly hair nevus\t\tHP:0000118\tORPHA:1\tTAS\t\t\t\t\tI\tORPHA:x[2025-01-16]
OMIM:7\tOther\t\tHP:0002212\tPMID:1\tPCS\t\t1/2\tMALE\t\tP\tHPO:x[2025-01-16]
"""
GENES = """\
ncbi_gene_id\tgene_symbol\thpo_id\thpo_name\tfrequency\tdisease_id
10\tNAT2\tHP:0002212\tCurly hair\t-\tORPHA:1
10\tNAT2\tHP:0000118\tPhenotypic abnormality\t-\tORPHA:1
11\tNAT3\tHP:0000118\tPhenotypic abnormality\t-\tOMIM:7
"""
PRIMEKG_HEADER = "relation,display_relation,x_index,x_id,x_type,x_name,x_source,y_index,y_id,y_type,y_name,y_source\n"
PRIMEKG = PRIMEKG_HEADER + (
    "drug_protein,target,0,DB00945,drug,Acetylsalicylic acid,DrugBank,1,5742,gene/protein,PTGS1,NCBI\n"
    "indication,indication,0,DB00945,drug,Acetylsalicylic acid,DrugBank,2,5149,disease,migraine disorder,MONDO\n"
    'disease_disease,parent-child,3,1071,disease,"headache, any",MONDO,2,5149,disease,migraine disorder,MONDO\n'
    "disease_phenotype_negative,phenotype absent,2,5149,disease,migraine disorder,MONDO,4,2315,effect/phenotype,Headache,HPO\n"
    "disease_phenotype_positive,phenotype present,5,13924_12592,disease,grouped disease,MONDO_grouped,4,2315,effect/phenotype,Headache,HPO\n"
    "drug_protein,target,1,5742,gene/protein,PTGS1,NCBI,0,DB00945,drug,Acetylsalicylic acid,DrugBank\n"
    "indication,indication,2,5149,disease,migraine disorder,MONDO,0,DB00945,drug,Acetylsalicylic acid,DrugBank\n"
    'disease_disease,parent-child,2,5149,disease,migraine disorder,MONDO,3,1071,disease,"headache, any",MONDO\n'
    "disease_phenotype_positive,phenotype present,4,2315,effect/phenotype,Headache,HPO,5,13924_12592,disease,grouped disease,MONDO_grouped\n"
)
HETIONET = {
    "hetionet-v1.0-nodes.tsv": (
        "id\tname\tkind\nCompound::DB00945\tAcetylsalicylic acid\tCompound\nDisease::DOID:6364\tmigraine\tDisease\n"
        'Gene::5742\tPTGS1\tGene\nPharmacologic Class::N0000175722\t"NSAID"\tPharmacologic Class\n'
        "Anatomy::UBERON:0000955\tbrain\tAnatomy\nSide Effect::C0018681\tHeadache\tSide Effect\n"
    ),
    "hetionet-v1.0-edges.sif": (
        "source\tmetaedge\ttarget\nCompound::DB00945\tCtD\tDisease::DOID:6364\nCompound::DB00945\tCbG\tGene::5742\n"
        "Pharmacologic Class::N0000175722\tPCiC\tCompound::DB00945\nAnatomy::UBERON:0000955\tAeG\tGene::5742\n"
        "Anatomy::UBERON:0000955\tAuG\tGene::5742\nAnatomy::UBERON:0000955\tAdG\tGene::5742\n"
        "Disease::DOID:6364\tDlA\tAnatomy::UBERON:0000955\nCompound::DB00945\tCcSE\tSide Effect::C0018681\n"
    ),
}
BIOCYPHER = {  # headers end without a line feed, as BioCypher writes them
    "Drug-header.csv": ":ID;name;dose:double;synonyms:string[];:LABEL",
    "Drug-part000.csv": "drugbank:DB00945;'Acetylsalicylic acid';75.0;'Aspirin|ASA';ChemicalEntity|Drug|Thing\n",
    "Disease-header.csv": ":ID;name;id;:LABEL",
    "Disease-part000.csv": "doid:6364;'migraine; any';doid:6364;Disease|Thing\n",
    "Disease-part001.csv": "doid:1;'Bell''s palsy';doid:1;Disease|Thing\n",
    "Treats-header.csv": ":START_ID;source;:END_ID;:TYPE",
    "Treats-part000.csv": "drugbank:DB00945;'chembl';doid:6364;MayTreat\ndrugbank:DB00945;'';doid:1;MayTreat\n",
}


def rrf(*rows: str) -> str:
    return "".join(f"{row}|\n" for row in rows)


def concept(cui: str, name: str, lat: str = "ENG", ts: str = "P", stt: str = "PF", pref: str = "Y", suppress: str = "N") -> str:
    return f"{cui}|{lat}|{ts}|L1|{stt}|S1|{pref}|A1|||D1|MSH|MH|D1|{name}|0|{suppress}|"


def relation(cui1: str, rel: str, cui2: str, rela: str = "", sab: str = "MED-RT", suppress: str = "N") -> str:
    return f"{cui1}|A1|AUI|{rel}|{cui2}|A2|AUI|{rela}|R1||{sab}|{sab}|||{suppress}|"


def semantic_type(cui: str, sty: str) -> str:
    return f"{cui}|T000|A1|{sty}|AT1|"


UMLS = {
    "MRSTY.RRF": rrf(
        semantic_type("C0000001", "Pharmacologic Substance"), semantic_type("C0000002", "Disease or Syndrome"),
        semantic_type("C0000003", "Disease or Syndrome"), semantic_type("C0000004", "Hormone"), semantic_type("C0000005", "Finding"),
    ),
    "MRREL.RRF": rrf(
        relation("C0000002", "RO", "C0000001", "may_treat"),  # CUI2 may treat CUI1
        relation("C0000001", "RO", "C0000002", "may_be_treated_by"),
        relation("C0000003", "CHD", "C0000002", "", "MSH"),  # CUI2 is a child of CUI1
        relation("C0000002", "PAR", "C0000003", "", "MSH"),
        relation("C0000002", "RO", "C0000004", "may_treat"),
        relation("C0000002", "RO", "C0000001", "may_prevent", suppress="O"),
        relation("C0000002", "RO", "C0000005", "may_treat"),
        relation("C0000002", "RO", "C0000001", "has_free_acid_or_base_form"),
    ),
    "MRCONSO.RRF": rrf(
        concept("C0000001", "ASA", ts="S"), concept("C0000001", "Aspirin"), concept("C0000001", "Aspirina", lat="SPA"),
        concept("C0000002", "Migraine"), concept("C0000002", "Old name", suppress="O"), concept("C0000003", "Headache disorder"),
        concept("C0000004", "Unused"),
    ),
}  # fmt: skip


@pytest.fixture
def hpo_folder(tmp_path):
    return write(tmp_path / "hpo", {"hp.obo": OBO, "phenotype.hpoa": HPOA, "genes_to_phenotype.txt": GENES})


@pytest.fixture
def obo_file(tmp_path):
    return write(tmp_path, {"hp.obo": OBO}) / "hp.obo"


@pytest.fixture
def primekg_folder(tmp_path):
    return write(tmp_path / "primekg", {"kg.csv": PRIMEKG})


@pytest.fixture
def hetionet_folder(tmp_path):
    return write(tmp_path / "hetionet", HETIONET)


@pytest.fixture
def biocypher_folder(tmp_path):
    return write(tmp_path / "biocypher", BIOCYPHER)


@pytest.fixture
def umls_folder(tmp_path):
    return write(tmp_path / "umls", UMLS)


@pytest.fixture
def edit():
    """Replaces a text of a file once: `edit(path, old, new)`."""

    def replace(path: Path, old: str, new: str) -> Path:
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return replace
