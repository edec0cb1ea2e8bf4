import torch

torch.manual_seed(48)
entree = torch.randn(15, 4)
cible = torch.randn(15, 2)
poids = torch.randn(4, 2) * 0.3
biais = torch.zeros(2)
pas = 0.1
for tour in range(3):
    sortie = entree @ poids + biais
    ecart = sortie - cible
    perte = (ecart**2).sum() / 15
    d_sortie = 2 * ecart / 15
    d_poids = entree.T @ d_sortie
    d_biais = d_sortie.sum(0)
    poids = poids - pas * d_poids
    biais = biais - pas * d_biais
