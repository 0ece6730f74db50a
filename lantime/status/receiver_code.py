"""The time codes that a receiver can be set to."""

from enum import StrEnum


class ReceiverCode(StrEnum):
    """The time codes 0 to 23 (SDK header), spelled as inferred. There is none for automatic detection."""

    B122_B123 = "b122-b123"
    A132_A133 = "a132-a133"
    B002_B003_DCLS = "b002-b003-dcls"
    A002_A003_DCLS = "a002-a003-dcls"
    AFNOR_NF_S87_500 = "afnor-nf-s87-500"
    AFNOR_NF_S87_500_DCLS = "afnor-nf-s87-500-dcls"
    IEEE1344 = "ieee1344"
    IEEE1344_DCLS = "ieee1344-dcls"
    B126_B127 = "b126-b127"
    B006_B007_DCLS = "b006-b007-dcls"
    G142 = "g142"
    G002_DCLS = "g002-dcls"
    C37_118 = "c37.118"
    C37_118_DCLS = "c37.118-dcls"
    TXC_101_DTR_6 = "txc-101-dtr-6"
    TXC_101_DTR_6_DCLS = "txc-101-dtr-6-dcls"
    E112 = "e112"
    E002_DCLS = "e002-dcls"
    NASA_36 = "nasa-36"
    NASA_36_DCLS = "nasa-36-dcls"
    A136_A137 = "a136-a137"
    A006_A007_DCLS = "a006-a007-dcls"
    G146 = "g146"
    G006_DCLS = "g006-dcls"
