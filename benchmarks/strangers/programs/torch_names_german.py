import torch

torch.manual_seed(20)
eingabe = torch.randn(8, 3)
ziel = torch.randn(8, 1)
gewicht = torch.randn(3, 4)
versatz = torch.randn(4)
ausgang = torch.randn(4, 1)
summe = eingabe @ gewicht + versatz
aktiv = torch.sigmoid(summe)
antwort = aktiv @ ausgang
verlust = ((antwort - ziel) ** 2).mean()

d_antwort = 2 * (antwort - ziel) / 8
d_ausgang = aktiv.T @ d_antwort
d_aktiv = d_antwort @ ausgang.T
d_summe = d_aktiv * aktiv * (1 - aktiv)
d_gewicht = eingabe.T @ d_summe
d_versatz = d_summe.sum(0)
